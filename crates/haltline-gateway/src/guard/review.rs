//! What operators do with cases.

use super::case::{Case, CaseState};
use super::cases::{AllowedRule, Ruling};
use crate::gateway::Gateway;
use crate::problem::Problem;
use haltline_types::Code;

/// The longest note of a decision, in bytes.
const NOTE_BYTES_MAX: usize = 1_000;

impl Gateway {
    /// Cases of the review queue, those that came last first, without the texts themselves.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn cases(&self, state: Option<CaseState>) -> Result<Vec<Case>, Problem> {
        let cases = self.cases.list(state, self.clock.now()).await.map_err(|error| unreadable(&error))?;
        Ok(cases.iter().map(Case::without_raw).collect())
    }

    /// One case. `reveal`: with the text itself, where it was kept; whoever shows it writes that down.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn case(&self, id: &str, reveal: bool) -> Result<Case, Problem> {
        let found = self.cases.get(id, self.clock.now()).await.map_err(|error| unreadable(&error))?;
        let case = found.ok_or_else(|| no_case(id))?;
        Ok(if reveal { case } else { case.without_raw() })
    }

    /// Decides a case.
    ///
    /// # Errors
    /// When there is none, or the store cannot be written.
    pub async fn decide_case(&self, id: &str, ruling: Ruling, by: &str, note: &str) -> Result<Case, Problem> {
        if note.len() > NOTE_BYTES_MAX {
            let message = format!("A note has at most {NOTE_BYTES_MAX} bytes.");
            return Err(Problem::new(Code::InvalidRequest, message).about("note"));
        }
        if ruling != Ruling::Confirm && self.case(id, false).await?.direction == "output" {
            let message = "What was found in an answer cannot be let pass by a decision; change [guard.output] instead, where each rule can be switched off.";
            return Err(Problem::new(Code::InvalidRequest, message));
        }
        let decided = self.cases.decide(id, ruling, by, note, self.clock.now()).await;
        decided.map_err(|error| unreadable(&error))?.map(|case| case.without_raw()).ok_or_else(|| no_case(id))
    }

    /// Rules that decisions have switched off.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn allowed_rules(&self) -> Result<Vec<AllowedRule>, Problem> {
        self.cases.allowed_rules(self.clock.now()).await.map_err(|error| unreadable(&error))
    }

    /// Switches a rule on again. `key`: for this key; none: what is switched off for everybody.
    ///
    /// # Errors
    /// When no decision had switched it off, or the store cannot be written.
    pub async fn restore_rule(&self, rule: &str, key: Option<&str>) -> Result<(), Problem> {
        let was_off = self.cases.restore_rule(rule, key).await.map_err(|error| unreadable(&error))?;
        if was_off {
            return Ok(());
        }
        let whose = key.map_or_else(|| "everybody".to_owned(), |key| format!("the key \"{key}\""));
        Err(Problem::new(Code::NotFound, format!("No decision has switched the rule `{rule}` off for {whose}.")))
    }
}

fn no_case(id: &str) -> Problem {
    let shown: String = id.chars().take(64).collect();
    Problem::new(Code::NotFound, format!("There is no case {shown}; `haltline review list` shows them."))
}

fn unreadable(error: &haltline_ports::DocumentsError) -> Problem {
    tracing::error!(%error, "the review queue cannot be read or written");
    Problem::new(Code::StoreUnavailable, "The gateway's store cannot be used at present.")
}
