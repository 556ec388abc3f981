//! The script for iPXE: kernel and RAM disks over HTTP, and another try when something fails.
//!
//! It keeps to what iPXE of 2019 (the one in Debian's package) and of today have in common.

use reveille_core::document::{Field, Segment, Template};

use super::words::{Word, split};
use super::{Boot, Builder};

/// An expansion that is always empty: it hides from iPXE what would mean something to it.
const NOTHING: &str = "${nil}";

/// The script of a profile.
///
/// `initrd=` names are for the EFI stub of kernels that know only them; elsewhere they do no
/// harm. A failed try fetches the script again, so a reload reaches machines that wait, after a
/// time that differs between machines (a failing command ends a script unless `||` follows).
pub fn script(boot: &Boot) -> Template {
    let mut script = Builder::default();
    script.text("#!ipxe\nimgfree\nkernel --name kernel ");
    url(&mut script, &boot.kernel);
    for at in 0..boot.initrd.len() {
        script.text(&format!(" initrd=initrd{at}"));
    }
    for word in split(&boot.cmdline) {
        script.text(" ");
        if is_misread(&word) {
            script.text(NOTHING);
        }
        word.iter().for_each(|segment| script.segment(segment));
    }
    if ends_in_backslash(&script) {
        script.text(NOTHING);
    }
    script.text(" || goto retry\n");
    for (at, name) in boot.initrd.iter().enumerate() {
        script.text(&format!("initrd --name initrd{at} "));
        url(&mut script, name);
        script.text(" || goto retry\n");
    }
    script.text("boot || goto retry\n:retry\necho Next try in ");
    script.field(Field::RetrySeconds);
    script.text(" s\nsleep ");
    script.field(Field::RetrySeconds);
    script.text("\nchain --replace ");
    script.field(Field::NodeUrl);
    script.text("boot.ipxe || goto retry\n");
    script.finish()
}

/// iPXE ends a command at `||`, `&&` and `;` that stand alone and at a word that begins with `#`.
fn is_misread(word: &Word) -> bool {
    match word.as_slice() {
        [Segment::Text(text)] if matches!(&**text, "||" | "&&" | ";") => true,
        [Segment::Text(text), ..] => text.starts_with('#'),
        _ => false,
    }
}

/// A backslash joins a line to the next one.
fn ends_in_backslash(script: &Builder) -> bool {
    matches!(script.segments.last(), Some(Segment::Text(text)) if text.ends_with('\\'))
}

/// What iPXE would misread in `cmdline` (with its gaps filled) in spite of all quoting.
///
/// Expansion repeats until none is left, so there is no way to write `${x}` and mean it.
pub fn unspeakable(cmdline: &str) -> Option<String> {
    let expanded = |word: &str| {
        let (_, rest) = word.split_once("${")?;
        rest.contains('}').then(|| "${…}, which iPXE would replace".to_owned())
    };
    cmdline.split_whitespace().find_map(expanded)
}

/// What a variable's value does to the command line that it comes into at the start of a word.
pub fn misread_value(value: &str) -> Option<String> {
    let word = value
        .split_whitespace()
        .find(|word| word.starts_with('#') || matches!(*word, "||" | "&&" | ";"))?;
    Some(format!("`{word}`, where iPXE would end the command"))
}

/// The URL of a file under the machine's own prefix, so that its fetches are told apart.
fn url(script: &mut Builder, name: &str) {
    script.field(Field::NodeUrl);
    script.text(&percent_encoded(name));
}

/// RFC 3986 §2.1; a slash stays what it is.
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+,@:=".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
