//! The services of Office 365, by the names that reports use.

/// A service of Office 365.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Mail, calendars and mail filtering.
    ExchangeOnline,
    /// What several services share, Office on the web, and device management.
    Microsoft365Common,
    /// Sign-in.
    MicrosoftEntraId,
    /// Teams.
    MicrosoftTeams,
    /// Files and sites.
    SharePointOnline,
    /// Skype for Business Online, Lync Online, and the addresses that they share with Teams.
    SkypeForBusinessOnline,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 6] = [
        Self::ExchangeOnline,
        Self::Microsoft365Common,
        Self::MicrosoftEntraId,
        Self::MicrosoftTeams,
        Self::SharePointOnline,
        Self::SkypeForBusinessOnline,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExchangeOnline => "Exchange Online",
            Self::Microsoft365Common => "Microsoft 365 Common",
            Self::MicrosoftEntraId => "Microsoft Entra ID",
            Self::MicrosoftTeams => "Microsoft Teams",
            Self::SharePointOnline => "SharePoint Online",
            Self::SkypeForBusinessOnline => "Skype for Business Online",
        }
    }

    /// The service of a report's name, the inverse of [`Service::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}
