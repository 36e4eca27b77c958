//! The incident: an outage, and clients that repeat for ever, once against the provider alone and
//! once through the real gateway, in virtual time. Everything that is reported is measured in the
//! two runs. Used by `haltline simulate`.

mod clients;
mod report;
mod run;
mod scenario;

pub use report::IncidentReport;
pub use run::{IncidentError, run};
pub use scenario::{ClientPlan, HaltlinePlan, OutagePlan, ProviderPlan, Scenario, ScenarioError};
