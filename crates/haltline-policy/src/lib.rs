//! Every decision but the ledger's, pure: time and randomness are arguments.
