//! Scripts as words.

use super::text::Text;

/// Longest word that is read whole.
pub(super) const WORD_LEN: usize = 240;

/// How a language separates words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Blanks only; a backslash at its end joins a line to the next.
    Ipxe,
    /// Quotes, and semicolons that need no blanks.
    Grub,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word: [`Words::word`].
    Word,
    /// The end of a line, or a semicolon of GRUB's.
    End,
}

/// Makes words of bytes that come in pieces.
#[derive(Debug)]
pub(super) struct Words {
    language: Language,
    word: Text<WORD_LEN>,
    begun: bool,
    done: bool,
    escaped: bool,
    comment: bool,
    quote: Option<u8>,
}

impl Words {
    pub(super) const fn new(language: Language) -> Self {
        Self {
            language,
            word: Text::EMPTY,
            begun: false,
            done: false,
            escaped: false,
            comment: false,
            quote: None,
        }
    }

    /// The word of the last [`Token::Word`].
    pub(super) const fn word(&self) -> &Text<WORD_LEN> {
        &self.word
    }

    /// Reads on in `bytes`, and leaves there what comes after the token.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Token> {
        if core::mem::take(&mut self.done) {
            self.word.clear();
        }
        while let [byte, rest @ ..] = *bytes {
            let byte = *byte;
            if self.comment && byte != b'\n' {
                *bytes = rest;
                continue;
            }
            if core::mem::take(&mut self.escaped) {
                *bytes = rest;
                match byte {
                    b'\n' => {}
                    b'\r' => self.escaped = true,
                    _ if self.language == Language::Grub => self.push(byte),
                    _ => {
                        self.push(b'\\');
                        self.push(byte);
                    }
                }
                continue;
            }
            if let Some(quote) = self.quote {
                *bytes = rest;
                if byte == quote {
                    self.quote = None
                } else {
                    self.push(byte)
                }
                continue;
            }
            let grub = self.language == Language::Grub;
            match byte {
                b'\n' | b';' if byte == b'\n' || grub => {
                    if core::mem::take(&mut self.begun) {
                        // The end comes with the next call.
                        return self.complete();
                    }
                    *bytes = rest;
                    self.comment = false;
                    return Some(Token::End);
                }
                b' ' | b'\t' | b'\r' => {
                    *bytes = rest;
                    if core::mem::take(&mut self.begun) {
                        return self.complete();
                    }
                }
                b'#' if !self.begun => {
                    *bytes = rest;
                    self.comment = true;
                }
                b'\\' => {
                    *bytes = rest;
                    self.escaped = true;
                }
                b'"' | b'\'' if grub => {
                    *bytes = rest;
                    self.quote = Some(byte);
                    self.begun = true;
                }
                _ => {
                    *bytes = rest;
                    self.push(byte);
                }
            }
        }
        None
    }

    fn push(&mut self, byte: u8) {
        self.begun = true;
        self.word.push(byte);
    }

    fn complete(&mut self) -> Option<Token> {
        self.done = true;
        Some(Token::Word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(language: Language, text: &str, piece: usize) -> Vec<String> {
        let mut words = Words::new(language);
        let mut found = Vec::new();
        for mut bytes in text.as_bytes().chunks(piece) {
            while let Some(token) = words.next(&mut bytes) {
                found.push(match token {
                    Token::Word => words.word().as_str().to_owned(),
                    Token::End => "|".to_owned(),
                });
            }
        }
        found
    }

    #[test]
    fn words_are_the_same_in_pieces_of_any_length() {
        let ipxe = "a  b;c 'd\n# x ' \\\ny e#f \\\n g\r\n";
        let grub = "a  b;c 'd  e'\"f\"g \"\" # x\nh\\;i\n";
        for piece in 1..ipxe.len() {
            let found = read(Language::Ipxe, ipxe, piece);
            assert_eq!(found, ["a", "b;c", "'d", "|", "|", "y", "e#f", "g", "|"], "{piece}");
            let found = read(Language::Grub, grub, piece);
            assert_eq!(found, ["a", "b", "|", "c", "d  efg", "", "|", "h;i", "|"], "{piece}");
        }
    }

    #[test]
    fn long_words_are_cut_and_known_to_be() {
        let mut words = Words::new(Language::Ipxe);
        let text = [b'x'; WORD_LEN + 1];
        assert_eq!(words.next(&mut &text[..]), None);
        assert_eq!(words.next(&mut &b" y "[..]), Some(Token::Word));
        assert!(words.word().is_cut());
        assert_eq!(words.next(&mut &b"y "[..]), Some(Token::Word));
        assert_eq!(words.word().as_bytes(), b"y");
    }
}
