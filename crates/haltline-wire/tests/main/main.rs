//! The one integration test binary: what the dialects promise to their users, by properties, by
//! recorded traffic, and by the fuzz corpus.

mod anthropic_answers;
mod anthropic_crossing;
mod anthropic_recorded;
mod anthropic_request;
mod assemble;
mod chat_cross;
mod chat_request;
mod chat_written;
mod classify;
mod continuation;
mod corpus;
mod fault_table;
mod gemini_recorded;
mod gemini_request;
mod gemini_stream;
mod golden;
mod golden_answers;
mod golden_requests;
mod history;
mod json_check;
mod media;
mod message_json;
mod ollama;
mod passages;
mod real_requests;
mod recorded;
mod responses_codec;
mod responses_recorded;
mod responses_request;
mod round_trip;
mod screen;
mod sse_split;
mod stream_chunk;
mod traffic;
mod ui_stream;
