//! What a script or configuration told a machine to do, in one small piece of memory.

use super::settings::Expanded;

/// What an item is for. All but variables are URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A kernel to fetch.
    Kernel,
    /// An initial RAM disk or another image.
    Initrd,
    /// Another script.
    Script,
    /// What the started system fetches.
    Metadata,
    /// Where the started system reports.
    Report,
    /// Where to go when something failed, after a wait.
    Retry,
    /// Where the script lies.
    Folder,
    /// `name=value`.
    Variable,
}

impl Item {
    const ALL: [Self; 8] = [
        Self::Kernel,
        Self::Initrd,
        Self::Script,
        Self::Metadata,
        Self::Report,
        Self::Retry,
        Self::Folder,
        Self::Variable,
    ];
}

/// In the place of a URL that cannot be understood: it fails when its turn comes.
pub(super) const NO_URL: &[u8] = b"unknown:";

/// Items in order, and how far the machine has come.
///
/// Each is its kind, the number of bytes that it shares with the first URL, a length, and the
/// bytes that follow. URLs of one script have most of their bytes in common.
#[derive(Debug)]
pub(super) struct Plan {
    len: u16,
    next: u16,
    /// Seconds to wait before a retry.
    wait: u32,
    /// Where the text of the first URL lies.
    first: u16,
    first_len: u8,
    overflowed: bool,
    bytes: [u8; Self::ROOM],
}

struct Entry<'p> {
    item: Item,
    shared: u8,
    text: &'p [u8],
}

impl Plan {
    /// Enough for a kernel, several RAM disks, metadata and a report under long names.
    const ROOM: usize = 480;
    const HEAD: usize = 4;

    pub(super) const EMPTY: Self = Self {
        len: 0,
        next: 0,
        wait: 0,
        first: 0,
        first_len: 0,
        overflowed: false,
        bytes: [0; Self::ROOM],
    };

    pub(super) const fn clear(&mut self) {
        (self.len, self.next, self.wait) = (0, 0, 0);
        (self.first, self.first_len) = (0, 0);
        self.overflowed = false;
    }

    /// Whether something did not fit since [`Self::clear`].
    pub(super) const fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Adds a URL, for [`Item::Retry`] with the seconds to wait before.
    pub(super) fn push_url(&mut self, item: Item, wait: Option<u32>, url: &[u8]) {
        self.wait = wait.unwrap_or(self.wait);
        let shared = self.first().iter().zip(url).take_while(|(a, b)| a == b).count();
        let text = usize::from(self.len) + Self::HEAD;
        if self.push(item, shared as u8, &[&url[shared..]]) && self.first_len == 0 {
            self.first = text as u16;
            self.first_len = url.len().min(usize::from(u8::MAX)) as u8;
        }
    }

    /// Adds `name=value`, in parts.
    pub(super) fn push_variable(&mut self, parts: &[&[u8]]) {
        self.push(Item::Variable, 0, parts);
    }

    fn push(&mut self, item: Item, shared: u8, parts: &[&[u8]]) -> bool {
        let text_len = parts.iter().map(|part| part.len()).sum::<usize>();
        let begin = usize::from(self.len);
        let room = self.bytes.get_mut(begin..);
        let Some(room) = room.and_then(|room| room.get_mut(..Self::HEAD + text_len)) else {
            self.overflowed = true;
            return false;
        };
        room[..2].copy_from_slice(&[item as u8, shared]);
        room[2..Self::HEAD].copy_from_slice(&(text_len as u16).to_be_bytes());
        let mut at = Self::HEAD;
        for part in parts {
            room[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        self.len += at as u16;
        true
    }

    /// The next of the `wanted` items, after those that were taken before.
    pub(super) fn take(&mut self, wanted: &[Item]) -> Option<(Item, Expanded)> {
        let mut at = usize::from(self.next);
        while let Some(entry) = self.entry(at) {
            at += Self::HEAD + entry.text.len();
            if wanted.contains(&entry.item) {
                let found = (entry.item, self.whole(&entry));
                self.next = at as u16;
                return Some(found);
            }
        }
        None
    }

    /// Begins again with the first item.
    pub(super) const fn rewind(&mut self) {
        self.next = 0;
    }

    /// Whether there is an item of a kind.
    pub(super) fn has(&self, wanted: Item) -> bool {
        self.iter().any(|entry| entry.item == wanted)
    }

    /// The last URL of a kind.
    pub(super) fn url(&self, wanted: Item) -> Option<Expanded> {
        let entry = self.iter().filter(|entry| entry.item == wanted).last()?;
        Some(self.whole(&entry))
    }

    /// Where to go when something failed, and the seconds to wait before.
    pub(super) fn retry(&self) -> Option<(u32, Expanded)> {
        Some((self.wait, self.url(Item::Retry)?))
    }

    /// The last value of a variable.
    pub(super) fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter()
            .filter(|entry| entry.item == Item::Variable)
            .filter_map(|entry| entry.text.strip_prefix(name)?.strip_prefix(b"="))
            .last()
    }

    fn whole(&self, entry: &Entry<'_>) -> Expanded {
        let mut text = Expanded::EMPTY;
        text.extend(&self.first()[..usize::from(entry.shared)]);
        text.extend(entry.text);
        text
    }

    /// The first URL, or as much of it as others can share.
    fn first(&self) -> &[u8] {
        let first = usize::from(self.first);
        &self.bytes[first..first + usize::from(self.first_len)]
    }

    fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let entry = self.entry(at)?;
            at += Self::HEAD + entry.text.len();
            Some(entry)
        })
    }

    fn entry(&self, at: usize) -> Option<Entry<'_>> {
        let (head, rest) = self.bytes[..usize::from(self.len)].get(at..)?.split_first_chunk()?;
        let [item, shared, a, b]: [u8; Self::HEAD] = *head;
        let text = rest.get(..usize::from(u16::from_be_bytes([a, b])))?;
        Some(Entry { item: *Item::ALL.get(usize::from(item))?, shared, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_the_last_of_a_kind_is_found() {
        let mut plan = Plan::EMPTY;
        plan.push_variable(&[b"a=", b"1"]);
        plan.push_url(Item::Kernel, None, b"http://x/k");
        plan.push_url(Item::Initrd, None, b"http://x/i0");
        plan.push_variable(&[b"a=2"]);
        plan.push_url(Item::Initrd, None, b"");
        plan.push_url(Item::Retry, Some(7), b"http://x/k");
        assert_eq!(plan.variable(b"a"), Some(&b"2"[..]));
        assert_eq!(plan.variable(b"b"), None);
        let images = [Item::Kernel, Item::Initrd];
        let mut taken = Vec::new();
        while let Some((item, url)) = plan.take(&images) {
            taken.push((item, url.as_str().to_owned()));
        }
        let expected =
            [(Item::Kernel, "http://x/k"), (Item::Initrd, "http://x/i0"), (Item::Initrd, "")];
        assert_eq!(taken, expected.map(|(item, url)| (item, url.to_owned())));
        plan.rewind();
        assert!(plan.take(&images).is_some_and(|(item, _)| item == Item::Kernel));
        let (wait, url) = plan.retry().expect("it is there");
        assert_eq!((wait, url.as_str()), (7, "http://x/k"));
        assert!(!plan.has_overflowed() && !plan.has(Item::Script));
    }

    #[test]
    fn urls_that_resemble_each_other_take_little_room() {
        let mut plan = Plan::EMPTY;
        let url = |at: usize| format!("http://10.77.0.1/{}/{at}", "x".repeat(100));
        for at in 0..20 {
            plan.push_url(Item::Initrd, None, url(at).as_bytes());
        }
        assert!(!plan.has_overflowed());
        let last = plan.url(Item::Initrd).expect("there are some");
        assert_eq!(last.as_str(), url(19));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut plan = Plan::EMPTY;
        plan.push_url(Item::Kernel, None, &[b'x'; 300]);
        plan.push_url(Item::Initrd, None, &[b'y'; 300]);
        assert!(plan.has_overflowed());
        plan.push_url(Item::Initrd, None, b"short");
        assert_eq!(plan.url(Item::Initrd).expect("it fits").as_str(), "short");
        assert_eq!(plan.url(Item::Kernel).expect("it fits").as_bytes().len(), 300);
    }
}
