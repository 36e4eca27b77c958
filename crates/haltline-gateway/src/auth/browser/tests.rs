//! Sign-ins in a gateway.
