//! What may differ between two servers, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use super::answer::Answer;
use super::message::Message;
use super::script::{Conversation, Place};
use super::talk::Outcome;

/// A table of explained differences.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    difference: Vec<Rule>,
}

/// A difference that is explained. Patterns are texts in which `*` stands for anything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What the difference is, in a few words.
    pub name: String,
    /// Who differs.
    pub servers: Vec<String>,
    /// In answers to what; empty for anything.
    #[serde(default)]
    pub steps: Vec<String>,
    /// In which conversations; empty for all.
    #[serde(default)]
    pub conversations: Vec<String>,
    /// Not every thousand conversations bring it up.
    #[serde(default)]
    pub seldom: bool,
    /// The field; `answers` is for what kinds of answers come.
    pub field: String,
    /// What Reveille says.
    pub ours: String,
    /// What the other server says.
    pub theirs: String,
    /// Why ours is right, or chosen.
    pub why: String,
    /// Where that is written.
    pub clause: String,
}

/// Two servers' answers to one message that differ in one field.
#[derive(Clone, Debug)]
pub struct Difference<'a> {
    /// Who differs.
    pub server: &'static str,
    /// The conversation.
    pub conversation: &'a Conversation,
    /// Which of its steps.
    pub step: usize,
    /// What is told differently.
    pub field: String,
    /// How Reveille tells it.
    pub ours: String,
    /// How the other server tells it.
    pub theirs: String,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.difference
    }

    /// The rule that explains a difference.
    #[must_use]
    pub fn explains(&self, difference: &Difference<'_>) -> Option<usize> {
        self.difference.iter().position(|rule| rule.explains(difference))
    }
}

impl Rule {
    fn explains(&self, difference: &Difference<'_>) -> bool {
        let Difference { server, conversation, step, field, ours, theirs } = difference;
        let among = |list: &[String], word: &str| list.iter().any(|entry| entry == word);
        let step = conversation.steps[*step].says.word();
        among(&self.servers, server)
            && (self.steps.is_empty() || among(&self.steps, step))
            && (self.conversations.is_empty() || among(&self.conversations, conversation.name))
            && matches(&self.field, field)
            && matches(&self.ours, ours)
            && matches(&self.theirs, theirs)
    }
}

/// All that two servers told differently in a conversation, up to the first message that only one
/// answered, or that they answered in other kinds: after that their clients are in other states.
#[must_use]
pub fn differences<'a>(
    server: &'static str,
    conversation: &'a Conversation,
    ours: &[Outcome],
    theirs: &[Outcome],
) -> Vec<Difference<'a>> {
    let mut found = Vec::new();
    for (step, pair) in ours.iter().zip(theirs).enumerate() {
        let (Outcome::Said(_, ours), Outcome::Said(_, theirs)) = pair else { return found };
        let mut note = |field: &str, ours: &str, theirs: &str| {
            if ours != theirs {
                let (ours, theirs) = (ours.to_owned(), theirs.to_owned());
                let field = field.to_owned();
                found.push(Difference { server, conversation, step, field, ours, theirs });
            }
        };
        let (kinds_ours, kinds_theirs) = (kinds(ours), kinds(theirs));
        note("answers", &kinds_ours, &kinds_theirs);
        if kinds_ours != kinds_theirs {
            return found;
        }
        for (ours, theirs) in ours.iter().zip(theirs) {
            let names: BTreeSet<_> = ours.0.keys().chain(theirs.0.keys()).collect();
            for name in names {
                note(name, ours.field(name), theirs.field(name));
            }
        }
        let apart = |ours: &[Answer], theirs: &[Answer]| {
            let relation = |answers: &[Answer]| {
                answers.first().map(|answer| answer.field("yiaddr").to_owned())
            };
            relation(ours) != relation(theirs)
        };
        // Another address for one means another state too.
        if apart(ours, theirs) {
            return found;
        }
    }
    found
}

fn kinds(answers: &[Answer]) -> String {
    if answers.is_empty() {
        return "none".to_owned();
    }
    answers.iter().map(|answer| answer.field("kind")).collect::<Vec<_>>().join(" ")
}

/// Tells a conversation with several servers' answers, up to a number of steps.
#[must_use]
pub fn tell(conversation: &Conversation, answers: &[(&str, &[Outcome])], steps: usize) -> String {
    let Conversation { number, name, place, .. } = conversation;
    let place = match place {
        Place::Link => "on the link".to_owned(),
        Place::Relay(giaddr, agent) => format!("behind {giaddr}, option 82 {agent:02x?}"),
    };
    let mut told = format!("conversation {number}, {name}, {place}\n");
    for (index, step) in conversation.steps.iter().enumerate().take(steps) {
        let said = answers.iter().find_map(|(_, outcomes)| outcomes[index].said());
        let said = said.map_or_else(|| "unsaid".to_owned(), describe);
        writeln!(told, "  {}: {said}", step.says.word()).expect("a string takes text");
        for (who, outcomes) in answers {
            let told_by = match &outcomes[index] {
                Outcome::Unsaid => "had told no address".to_owned(),
                Outcome::Said(_, answers) if answers.is_empty() => "nothing".to_owned(),
                Outcome::Said(_, answers) => {
                    answers.iter().map(fields).collect::<Vec<_>>().join("\n      and ")
                }
            };
            writeln!(told, "    {who}: {told_by}").expect("a string takes text");
        }
    }
    told
}

fn describe(message: &Message) -> String {
    let Message { secs, flags, ciaddr, giaddr, options, .. } = message;
    let mut text = format!("secs {secs} flags {flags:04x} ciaddr {ciaddr} giaddr {giaddr}");
    for (code, value) in options {
        write!(text, " {code}={}", readable(value)).expect("a string takes text");
    }
    text
}

fn readable(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if value.len() > 4 && text.chars().all(|letter| !letter.is_control()) => {
            format!("{text:?}")
        }
        _ => value.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
    }
}

fn fields(answer: &Answer) -> String {
    let of = |(name, value): (&String, &String)| format!("{name} {value}");
    answer.0.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// How often each kind of difference came, for those that are not explained.
#[must_use]
pub fn digest(unexplained: &[Difference<'_>]) -> String {
    let mut counts: BTreeMap<_, (usize, u32)> = BTreeMap::new();
    for difference in unexplained {
        let Difference { server, conversation, step, field, ours, theirs } = difference;
        let word = conversation.steps[*step].says.word();
        let key = (*server, field, word, conversation.name, ours, theirs);
        counts.entry(key).or_insert((0, conversation.number)).0 += 1;
    }
    let mut text = String::new();
    for ((server, field, word, name, ours, theirs), (count, number)) in counts {
        writeln!(
            text,
            "{server}: {field} of {word} in {name:?}: ours {ours:?}, theirs {theirs:?} \
             ({count} times, conversation {number})"
        )
        .expect("a string takes text");
    }
    text
}

/// Whether a text has the form of a pattern, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| matches(after, rest)))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text) in [("", ""), ("*", ""), ("*", "ab"), ("a*", "ab"), ("*b*d", "abcd")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", ""), ("a*", "ba"), ("*b", "ba"), ("a*c", "ab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
