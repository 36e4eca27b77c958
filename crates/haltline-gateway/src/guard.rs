//! Guards: what is looked at, how strictly, and what follows. What finds is `haltline-guard` and
//! external services; where on a request's way they stand is the line's matter.

mod consult;
mod judge;
pub mod settings;
mod windows;

pub(crate) use consult::Rooms;
pub use consult::{Asker, ConsultError, Consultation, Consulted};
pub use windows::{Window, WindowRules, Windows};
