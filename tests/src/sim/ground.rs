//! Every entry that was made in a run, apart from what anybody derives from it; and which of them count once openings are known.

use super::oracle::{Content, Leaf, bag, read};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use tally_ledger::crypto::{leaf_hash, node_hash};
use tally_schemas::entry::{Entry, EntryHeader};
use tally_schemas::id::{DepartmentId, Hash, Origin};

/// A log: department and epoch.
pub type LogId = (DepartmentId, u32);

/// Returns the log of an origin.
pub fn log_id(origin: &Origin) -> LogId {
    (origin.department.clone(), origin.epoch)
}

/// An entry that was made.
#[derive(Debug)]
pub struct Made {
    /// Its leaf hash.
    pub leaf: Leaf,
    /// The log in which it stands.
    pub log: LogId,
    /// Its header.
    pub header: EntryHeader,
    /// What it carries.
    pub content: Content,
    /// The perfect trees of the log up to it.
    peaks: Vec<(u64, Hash)>,
}

/// Where a log begins: the log before it, and the last head of that which counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The log before.
    pub old: LogId,
    /// How many of its entries count.
    pub size: u64,
    /// The last of them; none when none counts.
    pub last: Option<Leaf>,
}

/// Where logs end.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    ends: BTreeMap<LogId, (u64, Option<Leaf>)>,
    counts: BTreeSet<Leaf>,
}

impl Ends {
    /// Returns how many entries of a log count and the last of them, if it ended.
    pub fn of(&self, log: &LogId) -> Option<(u64, Option<Leaf>)> {
        self.ends.get(log).copied()
    }

    /// Says whether an entry counts: its log goes on, or it lies below the end.
    pub fn count(&self, made: &Made) -> bool {
        !self.ends.contains_key(&made.log) || self.counts.contains(&made.leaf)
    }
}

/// Everything made.
#[derive(Debug)]
pub struct Ground {
    genesis_hash: Hash,
    entries: BTreeMap<Leaf, Rc<Made>>,
    order: Vec<Rc<Made>>,
    heads: BTreeMap<(LogId, u64, Hash), Leaf>,
    begun: BTreeMap<LogId, Begun>,
}

impl Ground {
    /// Starts with nothing.
    pub fn new(genesis_hash: Hash) -> Self {
        Self {
            genesis_hash,
            entries: BTreeMap::new(),
            order: Vec::new(),
            heads: BTreeMap::new(),
            begun: BTreeMap::new(),
        }
    }

    /// Takes an entry when it is made; nothing when it was made before. Everything below it was made before.
    pub fn add(&mut self, bytes: &[u8]) -> Option<Rc<Made>> {
        let leaf = leaf_hash(bytes);
        if self.entries.contains_key(&leaf) {
            return None;
        }
        let Entry { header, payload } = Entry::parse(bytes).expect("entries of runs are of their format");
        let log = log_id(&header.origin);
        let content = read(&payload);
        let mut peaks = Vec::new();
        if header.index > 0 {
            let before = self.made(&header.prev);
            assert_eq!(
                before.log, log,
                "I2: prev of entry {} is of another log",
                header.index
            );
            assert_eq!(
                before.header.index + 1,
                header.index,
                "I2: positions of {log:?} have a gap"
            );
            assert!(
                before.header.recorded <= header.recorded,
                "recorded time of {log:?} falls"
            );
            peaks.clone_from(&before.peaks);
        } else if log.1 == 1 {
            assert_eq!(
                header.prev, self.genesis_hash,
                "I2: entry 0 does not follow the genesis"
            );
        } else {
            self.begin(&log, &header, &content);
        }
        peaks.push((1, leaf));
        while let [.., (a, left), (b, right)] = peaks.as_slice()
            && a == b
        {
            let joined = (a + b, node_hash(left, right));
            peaks.truncate(peaks.len() - 2);
            peaks.push(joined);
        }
        self.heads
            .insert((log.clone(), header.index + 1, bag(&peaks)), leaf);
        let made = Rc::new(Made {
            leaf,
            log,
            header,
            content,
            peaks,
        });
        self.entries.insert(leaf, made.clone());
        self.order.push(made.clone());
        Some(made)
    }

    /// Notes where a log of a later epoch begins.
    fn begin(&mut self, log: &LogId, header: &EntryHeader, content: &Content) {
        let Content::Opening { opening, .. } = content else {
            panic!("entry 0 of {log:?} opens nothing");
        };
        let head = opening.old.head;
        let old = log_id(&opening.old.origin);
        let last = (head.size > 0).then(|| {
            let key = (old.clone(), head.size, head.root);
            *self
                .heads
                .get(&key)
                .unwrap_or_else(|| panic!("{log:?} names a head of {old:?} that nobody made"))
        });
        assert_eq!(
            header.prev,
            last.unwrap_or(self.genesis_hash),
            "I2: entry 0 of {log:?} does not follow the log before"
        );
        let begun = Begun {
            old,
            size: head.size,
            last,
        };
        let before = self.begun.insert(log.clone(), begun.clone());
        assert!(
            before.is_none_or(|before| before == begun),
            "{log:?} was opened twice, after different heads"
        );
    }

    /// Forgets a log of a later epoch that was lost before anything of it was signed: another opening may begin it. Says whether
    /// anything of it was made.
    pub fn forget(&mut self, log: &LogId) -> bool {
        self.entries.retain(|_, made| made.log != *log);
        self.order.retain(|made| made.log != *log);
        self.heads.retain(|(of, ..), _| of != log);
        self.begun.remove(log).is_some()
    }

    /// Returns an entry.
    pub fn made(&self, leaf: &Leaf) -> &Rc<Made> {
        self.entries
            .get(leaf)
            .expect("every entry was shown to the oracle when it was made")
    }

    /// Returns every entry in the order in which they were made.
    pub fn all(&self) -> &[Rc<Made>] {
        &self.order
    }

    /// Returns the last entry under a head.
    pub fn tip(&self, log: &LogId, size: u64, root: Hash) -> Option<Leaf> {
        self.heads.get(&(log.clone(), size, root)).copied()
    }

    /// Returns the root of a log that ends with an entry, by the definition of the tree.
    pub fn root_at(&self, leaf: &Leaf) -> Hash {
        bag(&self.made(leaf).peaks)
    }

    /// Returns the root over the first entries of a log.
    pub fn root_of(&self, entries: &[Arc<[u8]>]) -> Hash {
        self.root_at(&leaf_hash(entries.last().expect("the log has entries")))
    }

    /// Returns where a log of a later epoch begins.
    pub fn begun(&self, log: &LogId) -> Option<&Begun> {
        self.begun.get(log)
    }

    /// Derives where logs end, when these are the logs of later epochs that are known: the newest of a department counts, and
    /// the one that it continues up to the head named, and so on; whatever is passed over does not count at all.
    pub fn ends(&self, known: &BTreeSet<LogId>) -> Ends {
        let mut ends = Ends::default();
        let departments: BTreeSet<&DepartmentId> = known.iter().map(|(department, _)| department).collect();
        for department in departments {
            let mut log = known
                .range((department.clone(), 0)..=(department.clone(), u32::MAX))
                .next_back()
                .expect("one of it is known")
                .clone();
            // Where one is passed over that is not known, what came before it is not known to end.
            while let Some(begun) = self.begun.get(&log).filter(|_| known.contains(&log)) {
                for epoch in begun.old.1 + 1..log.1 {
                    ends.ends.insert((department.clone(), epoch), (0, None));
                }
                ends.ends.insert(begun.old.clone(), (begun.size, begun.last));
                let mut next = begun.last;
                while let Some(leaf) = next {
                    ends.counts.insert(leaf);
                    let made = self.made(&leaf);
                    next = (made.header.index > 0).then_some(made.header.prev);
                }
                log = begun.old.clone();
            }
        }
        ends
    }
}
