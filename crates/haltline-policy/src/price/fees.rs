//! Fees of tools that the provider runs itself (searches, code sessions), for each use.

use super::error::PriceError;
use super::rates::FEE_MAX;
use haltline_types::NanoUsd;

/// What one use of each tool costs; `None` where no fee is known, which does not mean that there
/// is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ToolFees {
    /// A search on the web.
    pub web_search: Option<NanoUsd>,
    /// A search in stored files.
    pub file_search: Option<NanoUsd>,
    /// A search on maps.
    pub maps: Option<NanoUsd>,
    /// A session that runs code.
    pub code_session: Option<NanoUsd>,
}

impl ToolFees {
    /// All of them, with their names in price lists.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Option<NanoUsd>); 4] {
        [
            ("web_search", self.web_search),
            ("file_search", self.file_search),
            ("maps", self.maps),
            ("code_session", self.code_session),
        ]
    }

    pub(super) fn check(&self) -> Result<(), PriceError> {
        let fees = self.named().into_iter().filter_map(|(_, fee)| fee);
        for fee in fees {
            if fee <= NanoUsd::ZERO || fee > FEE_MAX {
                return Err(PriceError::ImplausibleFee(fee));
            }
        }
        Ok(())
    }
}
