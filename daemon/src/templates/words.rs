//! A command line as words: each loader has its own way of taking it apart and putting it
//! together again.

use reveille_core::document::Segment;

/// Pieces of text and gaps that belong together.
pub(super) type Word = Vec<Segment>;

/// Splits at white space, as iPXE and the eye do.
pub(super) fn split(segments: &[Segment]) -> Vec<Word> {
    split_where(segments, false)
}

/// Splits at white space outside double quotes, as the kernel does.
pub(super) fn split_quoted(segments: &[Segment]) -> Vec<Word> {
    split_where(segments, true)
}

fn split_where(segments: &[Segment], quotes_bind: bool) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut word: Word = Vec::new();
    let mut quoted = false;
    for segment in segments {
        let Segment::Text(text) = segment else {
            word.push(segment.clone());
            continue;
        };
        let mut start = 0;
        for (at, letter) in text.char_indices() {
            quoted ^= quotes_bind && letter == '"';
            if letter.is_whitespace() && !quoted {
                push_text(&mut word, &text[start..at]);
                start = at + letter.len_utf8();
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
        }
        push_text(&mut word, &text[start..]);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn push_text(word: &mut Word, text: &str) {
    if !text.is_empty() {
        word.push(Segment::Text(text.into()));
    }
}
