//! Sentences that fixes are made of, each with its source.
//!
//! docs/fixes.md shows the same table; a test holds the two together. What a sentence claims stands
//! in its source, so nothing else may be said here.

/// A sentence and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advice {
    pub(super) text: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "docs/fixes.md shows it"))]
    pub(super) source: &'static str,
}

macro_rules! advice {
    ($($name:ident: $text:literal, $source:literal;)*) => {
        $(pub(super) const $name: Advice = Advice { text: $text, source: $source };)*

        /// Every sentence, in the order of the documentation.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, Advice)] = &[$((stringify!($name), $name)),*];
    };
}

advice! {
    SCHANNEL_CLIENT:
        "Enable TLS 1.2 for clients in Schannel: DisabledByDefault=0 and Enabled=1 (DWORD) under \
         HKLM\\SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\SCHANNEL\\Protocols\\TLS 1.2\
         \\Client.",
        "Microsoft, 'Enable support for TLS 1.2 in your environment for Microsoft Entra TLS 1.1 \
         and 1.0 deprecation'";
    SCHANNEL_SERVER:
        "Enable TLS 1.2 for servers in Schannel: DisabledByDefault=0 and Enabled=1 (DWORD) under \
         HKLM\\SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\SCHANNEL\\Protocols\\TLS 1.2\
         \\Server.",
        "Microsoft, 'Enable support for TLS 1.2 in your environment for Microsoft Entra TLS 1.1 \
         and 1.0 deprecation'";
    WINHTTP:
        "Programs with WinHTTP's default (Outlook, Office, Skype for Business, OneDrive): install \
         KB3140245 and set DefaultSecureProtocols=0xA00 (TLS 1.1 and 1.2; 0xA80 keeps TLS 1.0) \
         under HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\\WinHttp and \
         HKLM\\SOFTWARE\\Wow6432Node\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\
         \\WinHttp.",
        "Microsoft, KB3140245 'Update to enable TLS 1.1 and TLS 1.2 as default secure protocols in \
         WinHTTP in Windows'; 'Preparing for TLS 1.2 in Office 365'";
    WININET:
        "Internet Explorer has a setting of its own (SecureProtocols=0xA80 under HKCU\\Software\
         \\Microsoft\\Windows\\CurrentVersion\\Internet Settings): it may do TLS 1.2 on a machine \
         whose other programs don't.",
        "Discussion of 'Preparing for TLS 1.0/1.1 Deprecation - O365 Skype for Business'; \
         KB3140245 on programs that set their protocols themselves";
    DOTNET:
        ".NET programs: SchUseStrongCrypto=1 and SystemDefaultTlsVersions=1 under HKLM\\SOFTWARE\
         \\Microsoft\\.NETFramework\\v4.0.30319 and \\v2.0.50727 and under the same keys of \
         Wow6432Node, or .NET 4.6.2 or later.",
        "Microsoft, 'Enable support for TLS 1.2 in your environment for Microsoft Entra TLS 1.1 \
         and 1.0 deprecation'; 'Disabling TLS 1.0 and 1.1 for Microsoft 365'";
    WINDOWS_XP:
        "Windows XP and Server 2003 end at TLS 1.0: they can only be replaced.",
        "Microsoft, 'Protocols in TLS/SSL (Schannel SSP)', whose table begins with Vista; 'Disable \
         TLS 1.0/1.1 in Skype for Business Server 2015'";
    WINDOWS_VISTA:
        "Windows Vista and Server 2008 end at TLS 1.0 as they were shipped: replace Vista; Server \
         2008 SP2 has an optional update (KB4019276).",
        "Microsoft, 'Protocols in TLS/SSL (Schannel SSP)'; KB4019276 'Update to add support for \
         TLS 1.1 and TLS 1.2 in Windows Server 2008 SP2'";
    WINDOWS_7:
        "Windows 7 SP1 and Server 2008 R2 know TLS 1.2 and have it off by default.",
        "Microsoft, 'Protocols in TLS/SSL (Schannel SSP)'; 'Preparing for TLS 1.0/1.1 Deprecation \
         - O365 Skype for Business'";
    WINDOWS_8:
        "Windows 8 and Server 2012 know TLS 1.2; what takes WinHTTP's default stays at TLS 1.0.",
        "Microsoft, 'Enable support for TLS 1.2 in your environment for Microsoft Entra TLS 1.1 \
         and 1.0 deprecation'; KB3140245";
    WINDOWS_81:
        "Windows 8.1, Server 2012 R2 and later have TLS 1.2 on by default: look for what disables \
         it under SCHANNEL\\Protocols\\TLS 1.2, and for a limit in the program itself.",
        "Microsoft, 'Enable support for TLS 1.2 in your environment for Microsoft Entra TLS 1.1 \
         and 1.0 deprecation'";
    JAVA_6:
        "Clients on Java 6 offer TLS 1.0: update to Java 8 or later.",
        "Lightbend ssl-config, 'Protocols' (defaults of JDK 6 to 8)";
    JAVA_7:
        "Java 7 knows TLS 1.2 and its clients don't offer it by default: start the program with \
         -Djdk.tls.client.protocols=TLSv1.2 or -Dhttps.protocols=TLSv1.2, or update to Java 8 or \
         later.",
        "Lightbend ssl-config, 'Protocols' (defaults of JDK 6 to 8)";
    JAVA_LIMIT:
        "Java 8 and later offer TLS 1.2 by default: look for a limit in -Djdk.tls.client.protocols, \
         -Dhttps.protocols and the settings of the program.",
        "Lightbend ssl-config, 'Protocols' (defaults of JDK 6 to 8); ops.java, 'How to Configure \
         the Default SSL/TLS Version Used by Your Java Applications'";
    ANDROID:
        "Android up to 4.3 does not offer TLS 1.2: update or replace the device.",
        "Microsoft, 'Preparing for TLS 1.2 in Office 365', list of clients";
    OPENSSL:
        "OpenSSL before 1.0.1 ends at TLS 1.0: update the program, or the firmware of the device, \
         to one with 1.0.1 or later.",
        "OpenSSL, CHANGES for 1.0.1 (support of TLS 1.1 and 1.2)";
    OPENSSL_LIMIT:
        "OpenSSL 1.0.1 and later know TLS 1.2: look for a limit in the settings of the program, \
         and from 1.1.0 on for MaxProtocol in openssl.cnf.",
        "OpenSSL, CHANGES for 1.0.1 (support of TLS 1.1 and 1.2); OpenSSL, SSL_CONF_cmd \
         (MaxProtocol)";
    GNUTLS_LIMIT:
        "GnuTLS takes its versions from a priority string: look for one without VERS-TLS1.2 in the \
         settings of the program and in the system-wide configuration of GnuTLS.",
        "GnuTLS manual, 'Priority Strings' and 'Overriding the default priority string'";
    GO_LIMIT:
        "Programs in Go offer the highest version that their Go knows, unless MaxVersion of \
         tls.Config says less: lift that limit, or update the program.",
        "Go, package crypto/tls, type Config (MaxVersion)";
    EMBEDDED:
        "Mbed TLS, wolfSSL and BearSSL are built into devices and programs that set the versions: \
         take the newest firmware or program, or ask its maker.",
        "Mbed TLS 2.28, ssl.h (mbedtls_ssl_conf_max_version); BearSSL, 'API Overview'; 'Preparing \
         for TLS 1.0/1.1 Deprecation - O365 Skype for Business', third parties: ask the vendor";
    OS_X:
        "OS X up to 10.8 offers TLS 1.0: update to 10.9 or later.",
        "Microsoft, 'Preparing for TLS 1.2 in Office 365', list of clients (Safari 6.0.4 on 10.8.4)";
    FIREFOX:
        "Firefox up to 26 and programs with its library offer TLS 1.0: update to Firefox 27 or \
         later.",
        "testssl.sh client simulations: hellos of Firefox 26 and 27";
    BROWSERS:
        "Chrome before 30 and Opera before 17 do not offer TLS 1.2: update the browser.",
        "testssl.sh client simulations: hellos of Chrome 29 and 30, Opera 12 to 17";
    LYNC_PHONE:
        "If this is a Lync phone: Lync Phone Edition ends at TLS 1.0 and will not be updated; \
         replace it.",
        "Microsoft, 'Preparing for TLS 1.0/1.1 Deprecation - O365 Skype for Business'; \
         OfficeDocs-SkypeForBusiness issue 3145";
    PRINTER:
        "Printers, scanners and phones: take the newest firmware; where there is none for TLS 1.2, \
         replace the device. Mail can go through a relay on premises, or until further notice \
         through smtp-legacy.office365.com after opting in.",
        "Exchange team blog 'Investigating TLS usage for SMTP in Exchange Online'; 'New opt-in \
         endpoint available for SMTP AUTH clients still needing legacy TLS'";
    SKYPE_SERVER:
        "Skype for Business Server 2015 needs CU6 HF2 (6.0.9319.516) or later, and CU9 \
         (6.0.9319.548) with Teams Rooms and Surface Hubs; Lync Server 2013 the July 2018 update \
         (CU10); Lync Server 2010 never learns it and has to be upgraded.",
        "Microsoft, 'Disable TLS 1.0/1.1 in Skype for Business Server 2015'; 'Preparing for TLS \
         1.0/1.1 Deprecation - O365 Skype for Business'";
    EXCHANGE_SERVER:
        "Exchange Server needs 2010 SP3 RU19, 2013 CU19 or 2016 CU8; 2019 has TLS 1.2 as it is.",
        "Microsoft, 'Disable TLS 1.0/1.1 in Skype for Business Server 2015', prerequisites; \
         Exchange team blog 'Exchange Server TLS guidance'";
    OTHER_SERVER:
        "Servers that are not Microsoft's: allow TLS 1.2 where their versions are set, such as \
         ssl_protocols in nginx, SSLProtocol in Apache, ssl-min-ver and ssl-max-ver in HAProxy and \
         smtpd_tls_protocols in Postfix; update what does not know it.",
        "nginx, ngx_http_ssl_module; Apache, mod_ssl; HAProxy, Configuration Manual; Postfix, \
         postconf(5)";
    BETWEEN:
        "Proxies, load balancers and other devices that end TLS send hellos of their own: test \
         them too.",
        "'Preparing for TLS 1.0/1.1 Deprecation - O365 Skype for Business', third parties; \
         'Enable support for TLS 1.2 in your environment for Microsoft Entra'";
    CALLER:
        "Office 365 itself dials with TLS 1.2 or later: this hello is another program's at one of \
         its addresses, or was changed on the way, and shows nothing of the server to be mended.",
        "Exchange team blog 'Understanding email scenarios if TLS versions cannot be agreed on with \
         Exchange Online'";
    UPDATE_OTHERS:
        "Elsewhere update the program or its TLS library, or replace the device.",
        "'Preparing for TLS 1.0/1.1 Deprecation - O365 Skype for Business', third parties: ask the \
         vendor";
    CAPPED:
        "The client can do better than it offers: a setting, an option of the program or something \
         on the way holds it back.",
        "RFC 5246 appendix A.5 and section 7.4.1.4.1: suites and extensions that exist in TLS 1.2 \
         only";
    KEEP_OLD:
        "TLS 1.0 and 1.1 may stay enabled for other connections.",
        "Microsoft, KB4057306 'Preparing for the mandatory use of TLS 1.2 in Office 365'";
    MIDDLEBOX:
        "Find what answers or interferes on the way: a proxy, TLS inspection, a firewall or a load \
         balancer. Exempt this traffic from inspection, or bring the device to TLS 1.2 and later.",
        "'Preparing for TLS 1.0/1.1 Deprecation - O365 Skype for Business', networking devices; \
         Microsoft's archived blog 'Lync Desktop Sharing Issue and the Web Security/Proxy Service'";
    ANOTHER_REASON:
        "Versions and suites are not the obstacle; look at certificates, the name asked for, and \
         proxies or firewalls on the way.",
        "RFC 8446 section 6.2: what other alerts mean";
}
