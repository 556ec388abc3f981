//! The configuration for GRUB, over TFTP.

use reveille_core::document::{Field, Segment, Template};

use super::words::{Word, split_quoted};
use super::{Boot, Builder};

/// The configuration of a profile. A failed try reads it again after a while.
pub fn configuration(boot: &Boot) -> Template {
    let mut text = Builder::default();
    text.text("if linux ");
    file(&mut text, &boot.kernel);
    for word in split_quoted(&boot.cmdline) {
        text.text(" ");
        quote(&mut text, &word);
    }
    text.text("; then\n");
    if boot.initrd.is_empty() {
        text.text("  boot\n");
    } else {
        text.text("  if initrd");
        for name in &boot.initrd {
            text.text(" ");
            file(&mut text, name);
        }
        text.text("; then\n    boot\n  fi\n");
    }
    text.text("fi\necho Next try in ");
    text.field(Field::RetrySeconds);
    text.text(" s\nsleep ");
    text.field(Field::RetrySeconds);
    text.text("\nconfigfile (tftp,");
    text.field(Field::Server);
    text.text(")/");
    text.field(Field::NodePath);
    text.text("grub.cfg\n");
    text.finish()
}

fn file(text: &mut Builder, name: &str) {
    text.text("(tftp,");
    text.field(Field::Server);
    text.text(")/");
    text.field(Field::NodePath);
    text.text(&quoted(name));
}

/// One argument of a command, with its gaps outside the quotes: whoever fills them must see to
/// it that GRUB does not misread them ([`misread_value`]).
///
/// Double quotes go: GRUB sets new ones around arguments with blanks when it puts the kernel's
/// command line together, and `"a=b c"` means the same to the kernel as `a="b c"`.
fn quote(text: &mut Builder, word: &Word) {
    for segment in word {
        match segment {
            Segment::Text(plain) => text.text(&quoted(&plain.replace('"', ""))),
            Segment::Field(field) => text.field(field.clone()),
        }
    }
}

/// `plain` as GRUB's language writes it.
fn quoted(plain: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:=,@%+".contains(&byte);
    if plain.bytes().all(safe) {
        plain.to_owned()
    } else {
        format!("'{}'", plain.replace('\'', r"'\''"))
    }
}

/// What GRUB would change in `cmdline` in spite of all quoting: it writes a backslash before
/// these when it puts the kernel's command line together.
pub fn unspeakable(cmdline: &str) -> Option<String> {
    let found = cmdline.chars().find(|letter| matches!(letter, '\\' | '\''))?;
    Some(format!("{found} , before which GRUB would put a backslash"))
}

/// What GRUB would misread in a variable's value.
pub fn misread_value(value: &str) -> Option<String> {
    let found = value.chars().find(|letter| ";|&$<>{}()#\"'\\".contains(*letter))?;
    Some(format!("{found} , which means something in GRUB's language"))
}
