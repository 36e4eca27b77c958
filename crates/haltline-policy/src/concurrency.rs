//! How many may run at once. Who entered must leave; the `Limiter` keeps the proof of entry.

/// No more may enter until one leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A counter of what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    limit: u32,
    running: u32,
}

impl Concurrency {
    /// At most `limit` at once.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, running: 0 }
    }

    /// The same that run, under another limit; those above it are not sent away.
    #[must_use]
    pub const fn with_limit(self, limit: u32) -> Self {
        Self { limit, running: self.running }
    }

    /// Room for how many more?
    ///
    /// # Errors
    /// When there is none.
    pub const fn check(&self) -> Result<u32, Full> {
        if self.running < self.limit { Ok(self.limit - self.running) } else { Err(Full) }
    }

    /// Enters; answers for how many more there is room.
    ///
    /// # Errors
    /// When there is none.
    pub const fn enter(&mut self) -> Result<u32, Full> {
        match self.check() {
            Ok(room) => {
                self.running += 1;
                Ok(room - 1)
            }
            Err(full) => Err(full),
        }
    }

    /// Leaves.
    pub const fn leave(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// How many run.
    #[must_use]
    pub const fn running(&self) -> u32 {
        self.running
    }
}
