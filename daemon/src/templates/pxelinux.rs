//! The configuration for PXELINUX, which speaks TFTP.
//!
//! `::/name` is a name from the top of the TFTP server: without it PXELINUX would put the folder
//! of its own program before the name.

use reveille_core::document::{Field, Template};

use super::words::split;
use super::{Boot, Builder};

/// The configuration of a profile.
pub fn configuration(boot: &Boot) -> Template {
    let mut text = Builder::default();
    // Nobody is asked before the first try. After one that failed there is a prompt, and what
    // ends it is the timeout, in tenths of seconds: it boots the default once more.
    text.text("DEFAULT boot\nPROMPT 0\nTIMEOUT ");
    text.field(Field::RetrySeconds);
    text.text("0\nLABEL boot\nLINUX ");
    name(&mut text, &boot.kernel);
    for (at, initrd) in boot.initrd.iter().enumerate() {
        text.text(if at == 0 { "\nINITRD " } else { "," });
        name(&mut text, initrd);
    }
    let words = split(&boot.cmdline);
    if !words.is_empty() {
        text.text("\nAPPEND");
    }
    for word in words {
        text.text(" ");
        word.iter().for_each(|segment| text.segment(segment));
    }
    text.text("\n");
    text.finish()
}

fn name(text: &mut Builder, name: &str) {
    text.text("::/");
    text.field(Field::NodePath);
    text.text(name);
}

/// Why PXELINUX cannot fetch a file of this name.
pub fn unspeakable_name(name: &str) -> Option<&'static str> {
    if name.contains(char::is_whitespace) {
        Some("white space ends a name there")
    } else if name.contains(',') {
        Some("a comma separates names there")
    } else {
        None
    }
}
