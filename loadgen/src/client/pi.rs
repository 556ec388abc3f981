//! A Raspberry Pi's `config.txt` and `cmdline.txt`, read as they come in.

use super::cmdline;
use super::intake::Facts;
use super::location::Location;
use super::plan::{Item, NO_URL, Plan};
use super::settings::Expanded;
use super::words::{Language, Token, Words};

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PiFile {
    Configuration,
    CommandLine,
}

/// The reader.
#[derive(Debug)]
pub(super) struct PiReader {
    file: PiFile,
    words: Words,
    /// The next word names a RAM disk.
    initrd: bool,
}

impl PiReader {
    pub(super) const fn new(file: PiFile) -> Self {
        Self { file, words: Words::new(Language::Ipxe), initrd: false }
    }

    pub(super) const fn file(&self) -> PiFile {
        self.file
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], facts: &Facts<'_>, plan: &mut Plan) {
        while let Some(token) = self.words.next(&mut bytes) {
            let word = self.words.word().as_bytes();
            match (token, self.file) {
                (Token::End, _) => self.initrd = false,
                (Token::Word, PiFile::CommandLine) => cmdline::read(word, plan),
                (Token::Word, PiFile::Configuration) => {
                    if core::mem::take(&mut self.initrd) {
                        push(Item::Initrd, word, facts.location, plan);
                    } else if let Some(name) = word.strip_prefix(b"kernel=") {
                        push(Item::Kernel, name, facts.location, plan);
                    } else {
                        self.initrd = word == b"initramfs";
                    }
                }
            }
        }
    }
}

/// Puts a file of the folder into the plan.
pub(super) fn push(item: Item, name: &[u8], folder: &Location, plan: &mut Plan) {
    let mut url = Expanded::EMPTY;
    match folder.resolve(name) {
        Some(location) => {
            location.write(&mut url);
            plan.push_url(item, None, url.as_bytes());
        }
        None => plan.push_url(item, None, NO_URL),
    }
}
