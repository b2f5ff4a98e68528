//! Where the sources are that texts name, for the documentation.

/// Titles as sources name them, and their addresses.
const ADDRESSES: [(&str, &str); 34] = [
    (
        "[MS-ICE2]",
        "https://learn.microsoft.com/openspecs/office_protocols/ms-ice2/5dc5c5cc-7f01-4951-9949-1c0f9bf1afa2",
    ),
    ("Apache, mod_ssl", "https://httpd.apache.org/docs/2.4/mod/mod_ssl.html"),
    ("BearSSL, 'API Overview'", "https://www.bearssl.org/api1.html"),
    (
        "Disable TLS 1.0/1.1 in Skype for Business Server 2015",
        "https://learn.microsoft.com/skypeforbusiness/manage/topology/disable-tls-1.0-1.1",
    ),
    (
        "Disabling TLS 1.0 and 1.1 for Microsoft 365",
        "https://learn.microsoft.com/microsoft-365/compliance/tls-1.0-and-1.1-deprecation-for-office-365",
    ),
    (
        "Enable support for TLS 1.2 in your environment",
        "https://learn.microsoft.com/troubleshoot/azure/active-directory/enable-support-tls-environment",
    ),
    (
        "Exchange Server TLS guidance",
        "https://techcommunity.microsoft.com/t5/exchange-team-blog/exchange-server-tls-guidance-part-2-enabling-tls-1-2-and/ba-p/607761",
    ),
    (
        "Exchange Server build numbers and release dates",
        "https://learn.microsoft.com/exchange/new-features/build-numbers-and-release-dates",
    ),
    (
        "Investigating TLS usage for SMTP in Exchange Online",
        "https://techcommunity.microsoft.com/t5/exchange-team-blog/investigating-tls-usage-for-smtp-in-exchange-online/ba-p/609278",
    ),
    ("Go, package crypto/tls", "https://pkg.go.dev/crypto/tls#Config"),
    ("HAProxy, Configuration Manual", "https://docs.haproxy.org/2.8/configuration.html"),
    (
        "How to Configure the Default SSL/TLS Version Used by Your Java Applications",
        "https://ops.java/security/articles/default-tls-versions",
    ),
    ("KB3140245", "https://support.microsoft.com/help/3140245"),
    ("KB4019276", "https://support.microsoft.com/help/4019276"),
    ("KB4057306", "https://support.microsoft.com/help/4057306"),
    ("Lightbend ssl-config", "https://lightbend.github.io/ssl-config/Protocols.html"),
    (
        "Lync Desktop Sharing Issue and the Web Security/Proxy Service",
        "https://learn.microsoft.com/archive/blogs/qchoi/lync-desktop-sharing-issue-and-the-web-securityproxy-service",
    ),
    (
        "Mbed TLS 2.28, ssl.h",
        "https://github.com/Mbed-TLS/mbedtls/blob/mbedtls-2.28.3/include/mbedtls/ssl.h",
    ),
    (
        "New opt-in endpoint available for SMTP AUTH clients still needing legacy TLS",
        "https://techcommunity.microsoft.com/blog/exchange/new-opt-in-endpoint-available-for-smtp-auth-clients-still-needing-legacy-tls/2659652",
    ),
    (
        "OfficeDocs-SkypeForBusiness issue 3145",
        "https://github.com/MicrosoftDocs/OfficeDocs-SkypeForBusiness/issues/3145",
    ),
    (
        "OfficeDocs-SkypeForBusiness pull request 3321",
        "https://github.com/MicrosoftDocs/OfficeDocs-SkypeForBusiness/pull/3321",
    ),
    ("OpenSSL, CHANGES for 1.0.1", "https://www.openssl.org/news/cl101.txt"),
    ("OpenSSL, SSL_CONF_cmd", "https://docs.openssl.org/master/man3/SSL_CONF_cmd/"),
    (
        "Overriding the default priority string",
        "https://www.gnutls.org/manual/html_node/Overriding-the-default-priority-string.html",
    ),
    (
        "Preparing for TLS 1.0/1.1 Deprecation - O365 Skype for Business",
        "https://techcommunity.microsoft.com/t5/skype-for-business-blog/preparing-for-tls-1-0-1-1-deprecation-o365-skype-for-business/ba-p/222247",
    ),
    (
        "Preparing for TLS 1.2 in Office 365",
        "https://learn.microsoft.com/microsoft-365/compliance/prepare-tls-1.2-in-office-365",
    ),
    ("Postfix, postconf(5)", "https://www.postfix.org/postconf.5.html"),
    ("Priority Strings", "https://www.gnutls.org/manual/html_node/Priority-Strings.html"),
    (
        "Protocols in TLS/SSL (Schannel SSP)",
        "https://learn.microsoft.com/windows/win32/secauthn/protocols-in-tls-ssl--schannel-ssp-",
    ),
    (
        "Understanding email scenarios if TLS versions cannot be agreed on with Exchange Online",
        "https://techcommunity.microsoft.com/t5/exchange-team-blog/understanding-email-scenarios-if-tls-versions-cannot-be-agreed/ba-p/2065089",
    ),
    ("nginx, ngx_http_ssl_module", "https://nginx.org/en/docs/http/ngx_http_ssl_module.html"),
    ("RFC 5246", "https://www.rfc-editor.org/rfc/rfc5246"),
    ("RFC 8446", "https://www.rfc-editor.org/rfc/rfc8446"),
    (
        "testssl.sh client simulations",
        "https://github.com/testssl/testssl.sh/blob/3.2/etc/client-simulation.txt",
    ),
];

/// A source in Markdown: the titles in it as links.
pub(crate) fn linked(source: &str) -> String {
    let mut text = source.to_owned();
    for (title, address) in ADDRESSES {
        let shown = title.trim_matches(['[', ']']);
        text = text.replace(title, &format!("[{shown}]({address})"));
    }
    text
}
