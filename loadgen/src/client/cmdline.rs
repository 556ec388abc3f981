//! What words of a kernel's command line tell the started system.

use super::plan::{Item, Plan};
use super::settings::Expanded;

/// Words whose value is a URL that the system fetches: kickstart, preseed, cloud-init, Ignition.
const METADATA: [&[u8]; 7] = [
    b"metadata=",
    b"inst.ks=",
    b"ks=",
    b"preseed/url=",
    b"url=",
    b"cloud-config-url=",
    b"ignition.config.url=",
];

/// cloud-init's words for a folder.
const SEEDS: [&[u8]; 4] =
    [b"ds=nocloud;s=", b"ds=nocloud-net;s=", b"ds=nocloud;seedfrom=", b"ds=nocloud-net;seedfrom="];

/// Puts what a word says into the plan.
pub(super) fn read(word: &[u8], plan: &mut Plan) {
    if let Some(url) = word.strip_prefix(b"report=") {
        return plan.push_url(Item::Report, None, url);
    }
    let value = |prefix: &&[u8]| word.strip_prefix(*prefix).filter(|url| is_http(url));
    if let Some(url) = METADATA.iter().find_map(value) {
        plan.push_url(Item::Metadata, None, url);
    } else if let Some(folder) = SEEDS.iter().find_map(value) {
        for name in [&b"meta-data"[..], b"user-data"] {
            let mut url = Expanded::EMPTY;
            url.extend(folder);
            url.extend(name);
            plan.push_url(Item::Metadata, None, url.as_bytes());
        }
    }
}

fn is_http(url: &[u8]) -> bool {
    url.starts_with(b"http://")
}
