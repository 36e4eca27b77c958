//! Surfaces: HTTP to the line, and nothing that decides.

pub mod admin;
mod came;
mod headers;
mod openapi;
mod paths;
mod patient;
mod problem;
mod request_body;
mod router;
mod routes;
mod server;
mod stream_body;
pub mod timeline;

pub use came::From as ClientAddress;
pub use openapi::document as openapi_document;
pub use problem::{chat_error_body, error_page, problem_response};
pub use router::{App, router};
pub use server::{ServerBounds, serve};
