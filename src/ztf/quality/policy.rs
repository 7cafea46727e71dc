//! What is done about an alert for which a reason was found, by default and as the user says. Knows no alert.

use std::collections::BTreeMap;

use super::Reason;

/// What is done with an alert for which a reason was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// The reason is noted; the alert is used if it could be read.
    Keep,
    /// The alert is mended as the reason says, and used.
    Repair,
    /// The alert is counted, named and left out.
    Skip,
    /// The run ends with an error that names the alert.
    Refuse,
}

impl Policy {
    /// The policy called `name`: `keep`, `repair`, `skip` or `refuse`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Keep, Self::Repair, Self::Skip, Self::Refuse].into_iter().find(|policy| policy.name() == name)
    }

    /// Whether the alert is used.
    #[must_use]
    pub fn uses(self) -> bool {
        self <= Self::Repair
    }

    /// Its name in TOML and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Repair => "repair",
            Self::Skip => "skip",
            Self::Refuse => "refuse",
        }
    }
}

/// The policy of every reason: the defaults, and what the user changed.
#[derive(Clone, Debug, Default)]
pub struct Policies(BTreeMap<Reason, Policy>);

impl Policies {
    /// Makes the policy of one reason stricter; what is skipped by default is never kept, for nothing usable is left.
    pub fn tighten(&mut self, reason: Reason, policy: Policy) {
        let policy = policy.max(self.of(reason));
        self.0.insert(reason, policy);
    }

    /// Has alerts mended; without effect on reasons for which there is no repair.
    pub fn repair(&mut self, reason: Reason) {
        if reason.repair().is_some() {
            self.0.insert(reason, Policy::Repair);
        }
    }

    /// Whether alerts are to be mended for `reason`.
    #[must_use]
    pub fn repairs(&self, reason: Reason) -> bool {
        self.of(reason) == Policy::Repair
    }

    /// The policy of `reason`.
    #[must_use]
    pub fn of(&self, reason: Reason) -> Policy {
        self.0.get(&reason).copied().unwrap_or(reason.default_policy())
    }
}
