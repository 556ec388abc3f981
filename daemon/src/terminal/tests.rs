//! A terminal of our own, to see what a person would see.

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The rows that a terminal shows after all that was written.
    fn rows(&self) -> Vec<String> {
        let mut rows = vec![String::new()];
        let text = self.text();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['\n', '\x1b']) {
            rows.last_mut().unwrap().push_str(&rest[..at]);
            if rest[at..].starts_with('\n') {
                rows.push(String::new());
                rest = &rest[at + 1..];
                continue;
            }
            let sequence = &rest[at + 2..];
            let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
            match &sequence[end..=end] {
                "F" => {
                    let up: usize = sequence[..end].parse().unwrap();
                    // What is below is cleared by the sequence that follows.
                    assert!(sequence[end + 1..].starts_with("\x1b[J"));
                    rows.truncate(rows.len() - 1 - up);
                    rows.push(String::new());
                }
                "J" => {}
                other => panic!("unexpected sequence {other}"),
            }
            rest = &sequence[end + 1..];
        }
        rows.last_mut().unwrap().push_str(rest);
        rows
    }
}

fn terminal(live: bool) -> (Terminal, Sink) {
    let sink = Sink::default();
    let traits = Traits { live, ..Traits::default() };
    // Both streams lead to the same screen, as they do for a person.
    let (out, err) = (Box::new(sink.clone()), Box::new(sink.clone()));
    (Terminal::new(out, err, traits, || (6, 20)), sink)
}

fn block(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn lines_and_messages_scroll_above_the_block() {
    let (terminal, sink) = terminal(true);
    terminal.line("first");
    terminal.show(block(&["booting a", "booting b"]));
    terminal.line("second");
    terminal.message(b"warning: third\n");
    assert_eq!(sink.rows(), ["first", "second", "warning: third", "booting a", "booting b", ""]);
    terminal.show(block(&["booting b"]));
    terminal.line("fourth");
    assert_eq!(sink.rows(), ["first", "second", "warning: third", "fourth", "booting b", ""]);
    terminal.show(Vec::new());
    assert_eq!(sink.rows(), ["first", "second", "warning: third", "fourth", ""]);
}

#[test]
fn the_block_fits_the_screen() {
    let (terminal, sink) = terminal(true);
    terminal.show((0..10).map(|n| format!("machine {n} {}", "x".repeat(30))).collect());
    let rows = sink.rows();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[3], "… and 7 more");
    assert!(rows.iter().all(|row| row.chars().count() < 20), "{rows:?}");
}

#[test]
fn without_a_terminal_there_are_only_lines() {
    let (terminal, sink) = terminal(false);
    terminal.show(block(&["booting a"]));
    terminal.line("first");
    assert_eq!(sink.text(), "first\n");
    assert_eq!(Paint::Red.paint("no", false), "no");
}

#[test]
fn an_unchanged_block_is_not_drawn_again() {
    let (terminal, sink) = terminal(true);
    terminal.show(block(&["booting a"]));
    let before = sink.text().len();
    terminal.show(block(&["booting a"]));
    assert_eq!(sink.text().len(), before);
}

#[test]
fn the_journal_is_recognised_by_its_stream() {
    let stat = rustix::fs::fstat(io::stderr()).unwrap();
    let name = format!("{}:{}", stat.st_dev, stat.st_ino);
    assert!(leads_to_journal(Some(&name)));
    assert!(!leads_to_journal(Some("8:0")));
    assert!(!leads_to_journal(Some("nonsense")));
    assert!(!leads_to_journal(None));
}
