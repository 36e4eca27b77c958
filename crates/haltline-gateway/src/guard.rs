//! Guards: what is looked at, how strictly, and what follows. What finds is `haltline-guard` and
//! external services; where on a request's way they stand is the line's matter.

mod carried;
mod case;
mod cases;
mod consult;
mod judge;
pub mod output;
pub(crate) mod redactor;
mod review;
pub mod settings;
mod verdict;
mod windows;

pub(crate) use carried::Carried;
pub(crate) use case::Matter;
pub use case::{Case, CaseFinding, CaseState, Decision};
pub use cases::{AllowedRule, Ruling};
pub(crate) use cases::{Cases, case_id, case_material};
pub(crate) use consult::Rooms;
pub use consult::{Asker, ConsultError, Consultation, Consulted};
pub(crate) use verdict::Guarding;
pub use verdict::{Found, Verdict};
pub use windows::{Window, WindowRules, Windows};
