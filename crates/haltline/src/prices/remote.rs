//! Price lists from the network: fetched at a start and at a reload, and kept in the data directory,
//! so that a start without network has the last one. What a list says is not judged here beyond
//! whether it can be read.

use super::days::day_of;
use super::read;
use haltline_types::Timestamp;
use haltline_upstream::{Download, download};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Ten times the largest of the shipped lists.
const MOST: Download = Download { within: Duration::from_secs(10), bytes_max: 4 * 1024 * 1024 };
/// The folder of the copies in the data directory.
const FOLDER: &str = "prices";
/// Begins the first line of a copy; a comment, so that a copy is a list.
const NOTE: &str = "# fetched ";

/// What to do about lists from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// Fetch them.
    Now,
    /// The last copy has to do.
    FromCopy,
}

/// A list, or what stands in for it, and what is to be said of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The list; `None` where nothing was fetched yet: then the shipped one stands in.
    pub text: Option<String>,
    /// Why it may be old, or absent.
    pub warning: Option<String>,
}

/// Is it an address in the network?
#[must_use]
pub fn is_remote(source: &str) -> bool {
    source.contains("://")
}

/// The list at `url`. `data`: where copies are kept, if anywhere.
///
/// # Errors
/// Why there is none, for the operator.
pub fn list(url: &str, data: Option<&Path>, fetching: Fetching, now: Timestamp) -> Result<Fetched, String> {
    let copy = data.map(|data| copy_path(data, url));
    let kept = copy.as_deref().and_then(|copy| read_copy(copy, url));
    if fetching == Fetching::FromCopy {
        let warning = format!("the price list {url} was not fetched; the shipped list stands in for it");
        return Ok(match kept {
            Some((_, text)) => Fetched { text: Some(text), warning: None },
            None => Fetched { text: None, warning: Some(warning) },
        });
    }
    match fetch(url) {
        Ok(text) => {
            let written = copy.map_or(Ok(()), |copy| write_copy(&copy, url, &text, now));
            let warning = written.err().map(|error| format!("no copy of the price list {url} could be kept: {error}"));
            Ok(Fetched { text: Some(text), warning })
        }
        Err(why) => match kept {
            Some((day, text)) => {
                let warning = format!("the price list {url} could not be fetched: {why}; the copy of {day} is used");
                Ok(Fetched { text: Some(text), warning: Some(warning) })
            }
            None => {
                Err(format!("the price list {url} could not be fetched: {why}; and no earlier start has kept a copy"))
            }
        },
    }
}

/// On a thread of its own: whoever reads a configuration may or may not be within a runtime.
fn fetch(url: &str) -> Result<String, String> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
        runtime.block_on(download(url, MOST))
    };
    let bytes = thread::scope(|scope| scope.spawn(work).join()).map_err(|_| "the download failed".to_owned())??;
    let text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    match read(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("it is no sound list: {error}")),
    }
}

/// One file for each address; those that differ only in other signs share one, and the note in it
/// tells them apart.
fn copy_path(data: &Path, url: &str) -> PathBuf {
    let name: String = url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(120).collect();
    data.join(FOLDER).join(format!("{name}.toml"))
}

/// The day and the text of a copy that can be read.
fn read_copy(copy: &Path, url: &str) -> Option<(String, String)> {
    let text = fs::read_to_string(copy).ok()?;
    let note = text.lines().next()?.strip_prefix(NOTE)?;
    let (day, from) = note.split_once(" from ")?;
    (from == url && read(&text).is_ok()).then(|| (day.to_owned(), text.clone()))
}

/// Written beside and moved there: a copy is whole or absent.
fn write_copy(copy: &Path, url: &str, text: &str, now: Timestamp) -> io::Result<()> {
    if let Some(folder) = copy.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = copy.with_extension("new");
    fs::write(&beside, format!("{NOTE}{} from {url}\n{text}", day_of(now)))?;
    fs::rename(&beside, copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    const NOW: Timestamp = Timestamp::from_secs(1_795_478_400);
    const LIST: &str = "[catalogue]\nprovider = \"groq\"\nas_of = \"2026-11-20\"\n[models.own]\nmax_input = 1000\n\
        max_output = 100\nsettle = [{ over = 0, input = \"0.2\", output = \"0.4\" }]\n";

    /// Answers so many requests with a body each, then is gone. Its URL.
    fn serving(bodies: Vec<String>) -> (String, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/groq.toml", listener.local_addr().expect("an address"));
        let serve = move || {
            for body in bodies {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut head = [0; 1024];
                assert!(stream.read(&mut head).expect("a request") > 0);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).expect("a client that listens");
            }
        };
        (url, thread::spawn(serve))
    }

    #[test]
    fn a_start_without_network_has_the_copy_of_the_last_one_and_says_so() {
        let dir = tempfile::tempdir().expect("a folder");
        let data = dir.path().join("data");
        let (url, server) = serving(vec![LIST.to_owned(), LIST.replace("\"0.2\"", "\"0\"")]);
        let unread = list(&url, Some(&data), Fetching::FromCopy, NOW).expect("no error");
        assert_eq!(unread.text, None);
        assert!(unread.warning.is_some_and(|warning| warning.contains("was not fetched")));

        let first = list(&url, Some(&data), Fetching::Now, NOW).expect("a list");
        assert_eq!(first, Fetched { text: Some(LIST.to_owned()), warning: None });
        // A list that is not sound is as good as none.
        let second = list(&url, Some(&data), Fetching::Now, NOW).expect("a copy");
        assert!(second.text.is_some_and(|text| text.ends_with(LIST)));
        let warning = second.warning.expect("a warning");
        assert!(warning.contains("no sound list") && warning.contains("the copy of 2026-11-24 is used"), "{warning}");

        server.join().expect("a server");
        let gone = list(&url, Some(&data), Fetching::Now, NOW).expect("a copy");
        assert!(gone.text.is_some() && gone.warning.is_some());
        let quiet = list(&url, Some(&data), Fetching::FromCopy, NOW).expect("a copy");
        assert!(quiet.text.is_some() && quiet.warning.is_none());
        let nothing = list(&url, None, Fetching::Now, NOW).expect_err("nobody is there");
        assert!(nothing.contains("no earlier start has kept a copy"), "{nothing}");
    }

    #[test]
    fn a_copy_of_another_address_is_not_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        write_copy(&copy_path(dir.path(), "https://a/b?c"), "https://a/b?c", LIST, NOW).expect("written");
        let found = |url: &str| list(url, Some(dir.path()), Fetching::FromCopy, NOW).expect("no error").text.is_some();
        assert!(found("https://a/b?c") && !found("https://a/b/c"));
    }
}
