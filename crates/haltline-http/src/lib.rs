//! Surfaces: HTTP to the line, and nothing that decides.

pub mod admin;
mod came;
mod cors;
mod headers;
mod openapi;
mod paths;
mod patient;
mod problem;
mod protection;
mod request_body;
mod router;
mod routes;
mod server;
mod stream_body;
pub mod timeline;

pub use came::From as ClientAddress;
pub use openapi::document as openapi_document;
pub use patient::Patient;
pub use problem::{chat_error_body, error_page, problem_response};
pub use router::{App, operator_router, router};
pub use server::{Accept, Accepted, Peer, Plain, Raw, ServerBounds, serve};
