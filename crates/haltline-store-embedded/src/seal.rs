//! Encryption of what clients said, where it lies on the disk: bodies of documents, events of
//! streams with their heads and notes, prompts that records keep. AES-256-GCM. What things are found
//! by (ids, owners, labels, times, sizes) and the books stay readable.
//!
//! Nonces: each start of a process draws a salt of 96 bits and derives a key of its own from it,
//! under which a counter never repeats; nothing about nonces has to survive a crash or a restore.
//! Four random bytes stand beside the counter for the one case in which a process runs twice: a
//! snapshot of a running machine.

use crate::disk::Disk;
use crate::error::OpenError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haltline_ports::Secret;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// Says in the data directory that there is something sealed, and under which key.
const FILE: &str = "seal.json";
const VERSION: u32 = 1;
/// How sealed bytes begin; no text and no JSON does.
const MAGIC: [u8; 5] = *b"\0HLS1";
const ID: usize = 4;
const SALT: usize = 12;
const TAG: usize = 16;
/// Sealed bytes are longer than plain ones by so many.
pub(crate) const OVERHEAD: usize = MAGIC.len() + ID + SALT + NONCE_LEN + TAG;
/// Keys that are remembered for reading: one for each start whose data is still there.
const READERS_MAX: usize = 1_024;

/// A key to encrypt with: 32 bytes that the operator keeps.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

/// What is encrypted with, and what may have been before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// What is written from now on is sealed under it.
    pub key: StoreKey,
    /// Keys of the past, for reading.
    pub old: Vec<StoreKey>,
}

impl StoreKey {
    /// Reads 32 bytes in base64 or as 64 hexadecimal digits.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn parse(text: &Secret) -> Result<Self, String> {
        let text = text.reveal().trim();
        let bytes = Zeroizing::new(
            if text.len() == 64 { from_hex(text) } else { STANDARD.decode(text).ok() }
                .ok_or_else(|| "it is neither base64 nor 64 hexadecimal digits".to_owned())?,
        );
        let key = <[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| format!("it has {} bytes, and 32 are needed", bytes.len()))?;
        if key.iter().all(|byte| Some(byte) == key.first()) {
            return Err("all of its bytes are the same; it must be random".to_owned());
        }
        Ok(Self(Zeroizing::new(key)))
    }

    fn derived(&self, what: &[u8], salt: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        // A key of 32 bytes is always taken.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) {
            mac.update(what);
            mac.update(salt);
            out.copy_from_slice(&mac.finalize().into_bytes());
        }
        out
    }

    /// Tells keys apart without showing them.
    fn id(&self) -> [u8; ID] {
        let whole = self.derived(b"haltline store key id", &[]);
        whole.first_chunk().copied().unwrap_or_default()
    }

    fn sealing(&self, salt: &[u8; SALT]) -> Option<LessSafeKey> {
        let derived = self.derived(b"haltline store seal 1", salt);
        UnboundKey::new(&AES_256_GCM, derived.as_slice()).ok().map(LessSafeKey::new)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Seals and opens; or, where there is no key, leaves everything as it is.
#[derive(Clone)]
pub(crate) struct Seal(Option<Arc<Sealing>>);

struct Sealing {
    keys: Vec<StoreKey>,
    id: [u8; ID],
    salt: [u8; SALT],
    key: LessSafeKey,
    counter: AtomicU64,
    readers: Mutex<HashMap<Origin, Vec<Arc<LessSafeKey>>>>,
}

/// Under which key, and from which start of a process, sealed bytes are.
type Origin = ([u8; ID], [u8; SALT]);

/// Sealed bytes could not be opened, or plain ones not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealError(&'static str);

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for SealError {}

/// What the file says.
#[derive(Serialize, Deserialize)]
struct Note {
    version: u32,
    /// The id of the key, as hexadecimal digits.
    key: String,
    /// Something sealed under it, in base64.
    check: String,
}

const CHECK: &[u8] = b"haltline";

impl Seal {
    /// Without a key: everything stays as it is.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// With these keys, if they are those of the store. Changes nothing when they are not.
    pub(crate) fn open(disk: &dyn Disk, encryption: Option<&Encryption>) -> Result<Self, OpenError> {
        let names = disk.list().map_err(OpenError::io("reading the data directory"))?;
        let note = match names.iter().any(|name| name == FILE) {
            true => Some(read(disk)?),
            false => None,
        };
        let Some(encryption) = encryption else {
            return match note {
                None => Ok(Self::none()),
                Some(_) => Err(OpenError::Key(
                    "the store is encrypted, and there is no key; set [store] encryption_key to the one that it was written with".to_owned(),
                )),
            };
        };
        let seal = Self::new(encryption).map_err(|error| OpenError::Key(error.to_string()))?;
        let is_current = match &note {
            None => false,
            Some(note) => {
                let check =
                    STANDARD.decode(&note.check).map_err(|error| OpenError::corrupt(FILE, 0, error.to_string()))?;
                if seal.opened(&check, FILE.as_bytes()).ok().flatten().as_deref() != Some(CHECK) {
                    return Err(OpenError::Key(format!(
                        "the store is encrypted with another key than the one given (it was written under key {}, this is {}); \
                         give that one, or name it in [store] old_encryption_keys",
                        note.key,
                        hex(&encryption.key.id())
                    )));
                }
                note.key == hex(&encryption.key.id())
            }
        };
        if !is_current {
            let check = seal.sealed(CHECK, FILE.as_bytes()).map_err(|error| OpenError::Key(error.to_string()))?;
            let note = Note { version: VERSION, key: hex(&encryption.key.id()), check: STANDARD.encode(check) };
            let written = serde_json::to_vec_pretty(&note).map_err(std::io::Error::from);
            written.and_then(|bytes| disk.replace(FILE, &bytes)).map_err(OpenError::io(format!("writing {FILE}")))?;
            tracing::info!(key = %note.key, "what clients say is encrypted under this key from now on");
        }
        Ok(seal)
    }

    fn new(encryption: &Encryption) -> Result<Self, SealError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| SealError("the system has no randomness"))?;
        let key = encryption.key.sealing(&salt).ok_or(SealError("the key cannot be used"))?;
        let keys = std::iter::once(&encryption.key).chain(&encryption.old).cloned().collect();
        let (id, counter) = (encryption.key.id(), AtomicU64::new(0));
        Ok(Self(Some(Arc::new(Sealing { keys, id, salt, key, counter, readers: Mutex::default() }))))
    }

    /// Is anything sealed?
    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Seals `plain` in the place that `about` names; sealed bytes of one place do not open in another.
    pub(crate) fn sealed(&self, plain: &[u8], about: &[u8]) -> Result<Vec<u8>, SealError> {
        let Some(sealing) = &self.0 else { return Ok(plain.to_vec()) };
        let mut nonce = [0; NONCE_LEN];
        if let Some(random) = nonce.first_chunk_mut::<4>() {
            getrandom::fill(random).map_err(|_| SealError("the system has no randomness"))?;
        }
        if let Some(counter) = nonce.last_chunk_mut::<8>() {
            *counter = sealing.counter.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        }
        let mut out = Vec::with_capacity(OVERHEAD + plain.len());
        for part in [MAGIC.as_slice(), &sealing.id, &sealing.salt, &nonce, plain] {
            out.extend_from_slice(part);
        }
        let from = OVERHEAD - TAG;
        let inside = out.get_mut(from..).unwrap_or_default();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = sealing.key.seal_in_place_separate_tag(nonce, Aad::from(about), inside);
        out.extend_from_slice(tag.map_err(|_| SealError("it cannot be encrypted"))?.as_ref());
        Ok(out)
    }

    /// Opens what was sealed in the place that `about` names; `None` when it is plain, as it was
    /// written before there was a key.
    pub(crate) fn opened(&self, bytes: &[u8], about: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let Some(sealing) = &self.0 else { return Ok(None) };
        let Some(rest) = bytes.strip_prefix(&MAGIC) else { return Ok(None) };
        let broken = SealError("sealed bytes are cut off");
        let (id, rest) = rest.split_first_chunk::<ID>().ok_or(broken)?;
        let (salt, rest) = rest.split_first_chunk::<SALT>().ok_or(broken)?;
        let (nonce, inside) = rest.split_first_chunk::<NONCE_LEN>().ok_or(broken)?;
        for key in sealing.readers(*id, *salt) {
            let mut out = inside.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            if let Ok(plain) = key.open_in_place(nonce, Aad::from(about), &mut out) {
                let length = plain.len();
                out.truncate(length);
                return Ok(Some(out));
            }
        }
        Err(SealError("it was encrypted with a key that is not given here, or was changed on the disk"))
    }
}

impl Seal {
    /// The same for text that stands among other text.
    pub(crate) fn sealed_text(&self, plain: &str, about: &[u8]) -> Result<String, SealError> {
        self.sealed(plain.as_bytes(), about).map(|sealed| STANDARD.encode(sealed))
    }

    /// Opens what `sealed_text` made; `None` when it is plain.
    pub(crate) fn opened_text(&self, text: &str, about: &[u8]) -> Result<Option<String>, SealError> {
        let Ok(sealed) = STANDARD.decode(text) else { return Ok(None) };
        let opened = self.opened(&sealed, about)?;
        opened.map(|plain| String::from_utf8(plain).map_err(|_| SealError("it is no text"))).transpose()
    }
}

impl Sealing {
    /// The keys under which something with this id and salt may be sealed; mostly one.
    fn readers(&self, id: [u8; ID], salt: [u8; SALT]) -> Vec<Arc<LessSafeKey>> {
        let mut readers = self.readers.lock();
        if let Some(known) = readers.get(&(id, salt)) {
            return known.clone();
        }
        let fitting = self.keys.iter().filter(|key| key.id() == id);
        let made: Vec<_> = fitting.filter_map(|key| key.sealing(&salt)).map(Arc::new).collect();
        if readers.len() >= READERS_MAX {
            readers.clear();
        }
        readers.insert((id, salt), made.clone());
        made
    }
}

fn read(disk: &dyn Disk) -> Result<Note, OpenError> {
    let bytes = disk.read_all(FILE).map_err(OpenError::io(format!("reading {FILE}")))?;
    let note: Note = serde_json::from_slice(&bytes).map_err(|error| OpenError::corrupt(FILE, 0, error.to_string()))?;
    if note.version > VERSION {
        return Err(OpenError::Newer { file: FILE.to_owned(), found: note.version, known: VERSION });
    }
    Ok(note)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
