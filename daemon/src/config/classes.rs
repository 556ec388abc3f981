//! `[[class]]`: who belongs to a class, and what its members get.

use reveille_core::view::{Condition, Pattern};
use reveille_core::wire::dhcp4_options::RelayAgent;
use toml::de::DeValue;

use super::options::{Definitions, Test, pattern};
use super::reader::{Fault, Table};
use super::tables::{archs, lease_terms, mac_prefix, options, relay};
use crate::problem::Problem;
use crate::site::{SiteClass, SiteCondition};

/// Reads a `[[class]]`.
pub(super) fn class(table: Table<'_>, definitions: &Definitions) -> Option<SiteClass> {
    let name = table.text("name").map(|text| text.text.to_owned());
    if name.is_none() {
        let help = r#"name = "phones": pools and other classes name it"#;
        table.blame(Problem::error(table.place.clone(), "a class needs a name").help(help));
    }
    let rule = table.table("match", "match").map(|table| condition(table, definitions));
    if rule.is_none() {
        let help = r#"match = { vendor_class = "Cisco" }, or match = {} for everybody"#;
        let what = "a class needs to say who belongs to it";
        table.blame(Problem::error(table.place.clone(), what).help(help));
    }
    let class = SiteClass {
        name: name.unwrap_or_default(),
        rule: rule.unwrap_or_else(|| SiteCondition::All(Vec::new())),
        denied: table.flag("deny").unwrap_or(false),
        lease: lease_terms(&table),
        options: options(&table, definitions),
    };
    table.finish();
    (!class.name.is_empty()).then_some(class)
}

/// Everything that the table says must be so; of a list one.
fn condition(table: Table<'_>, definitions: &Definitions) -> SiteCondition {
    let mut all = Vec::new();
    let mut add = |any: Vec<Condition>| {
        let any: Vec<SiteCondition> = any.into_iter().map(SiteCondition::Is).collect();
        match <[SiteCondition; 1]>::try_from(any) {
            Ok([one]) => all.push(one),
            Err(any) if any.is_empty() => {}
            Err(any) => all.push(SiteCondition::Any(any)),
        }
    };
    add(table.read_all("vendor_class", |text| Ok(Condition::Option(60, begins(text)?))));
    add(table.read_all("user_class", |text| Ok(Condition::UserClass(text.as_bytes().into()))));
    add(table.read_all("arch", archs).concat().into_iter().map(Condition::Arch).collect());
    add(table.read_all("mac", |text| mac_prefix(text).map(Condition::MacPrefix)));
    add(table.read_all("circuit_id", |text| relay_option(RelayAgent::CIRCUIT_ID, text)));
    add(table.read_all("remote_id", |text| relay_option(RelayAgent::REMOTE_ID, text)));
    add(table.read_all("relay", |text| relay(text).map(Condition::Relay)));
    match table.flag("known") {
        Some(true) => all.push(SiteCondition::Is(Condition::Known)),
        Some(false) => {
            all.push(SiteCondition::Not(Box::new(SiteCondition::Is(Condition::Known))));
        }
        None => {}
    }
    let classes: Vec<SiteCondition> = table
        .texts("class")
        .into_iter()
        .map(|text| SiteCondition::Class(text.text.to_owned(), text.place))
        .collect();
    if !classes.is_empty() {
        all.push(SiteCondition::Any(classes));
    }
    if let Some(options) = table.table("option", "option") {
        for (name, value, place) in options.entries() {
            match option(name, value, definitions) {
                Ok(condition) => all.push(condition),
                Err((what, help)) => {
                    options.blame(Problem { help, ..Problem::error(place, what) });
                }
            }
        }
    }
    let below = |key| -> Vec<SiteCondition> {
        let tables = table.tables(key, key);
        tables.into_iter().map(|table| condition(table, definitions)).collect()
    };
    all.extend(below("all"));
    let any = below("any");
    if !any.is_empty() {
        all.push(SiteCondition::Any(any));
    }
    all.extend(below("not").into_iter().map(|not| SiteCondition::Not(Box::new(not))));
    table.finish();
    SiteCondition::All(all)
}

fn option(
    name: &str,
    value: &DeValue<'_>,
    definitions: &Definitions,
) -> Result<SiteCondition, Fault> {
    let (code, test) = definitions.pattern(name, value)?;
    Ok(match test {
        Test::Is(pattern) => SiteCondition::Is(Condition::Option(code, pattern)),
        Test::Missing => {
            let there = SiteCondition::Is(Condition::Option(code, Pattern::Present));
            SiteCondition::Not(Box::new(there))
        }
    })
}

fn relay_option(code: u8, text: &str) -> Result<Condition, Fault> {
    pattern(text).map(|pattern| Condition::RelayOption(code, pattern))
}

/// Vendor classes go on behind what tells the vendor, so the beginning is enough.
fn begins(text: &str) -> Result<Pattern, Fault> {
    Ok(match pattern(text)? {
        Pattern::Exactly(prefix) => Pattern::Prefix(prefix),
        other @ (Pattern::Present | Pattern::Prefix(_)) => other,
    })
}
