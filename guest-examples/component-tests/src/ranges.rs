//! Scans, cursors, and trees of several levels.

use crate::bindings::sop::engine::transactions::Store;
use crate::bindings::sop::engine::types::{Bound, Direction, Item, Packed, Range};
use crate::store::{ALL, begin, key, snapshot};

/// Items of the tree of several levels.
const ITEMS: u32 = 20_000;
/// The top bit of an end: the string is absent.
const ABSENT: u64 = 1 << 63;

fn range(lower: Bound, upper: Bound) -> Range {
    Range { lower, upper }
}

/// The keys of a scan as one text.
fn keys(store: &Store, range: &Range, direction: Direction, limit: u32) -> String {
    let items = store.scan(range, direction, limit).unwrap();
    let keys = items
        .into_iter()
        .map(|item| String::from_utf8(item.key).unwrap());
    keys.collect()
}

pub(crate) fn scans() {
    let (transaction, store) = begin();
    for letter in ["a", "c", "e", "g"] {
        store.put(letter.as_bytes(), b"stored").unwrap();
    }
    transaction.commit().unwrap();
    let (_transaction, store) = begin();
    store.put(b"b", b"own").unwrap();
    store.put(b"c", b"own").unwrap();
    store.remove(b"e").unwrap();
    let (ascending, descending) = (Direction::Ascending, Direction::Descending);
    let at = |letter: &str| letter.as_bytes().to_vec();
    assert_eq!(keys(&store, &ALL, ascending, 10), "abcg");
    assert_eq!(keys(&store, &ALL, descending, 10), "gcba");
    assert_eq!(keys(&store, &ALL, descending, 2), "gc");
    assert_eq!(keys(&store, &ALL, ascending, 0), "");
    let inside = range(Bound::Excluded(at("a")), Bound::Included(at("c")));
    assert_eq!(keys(&store, &inside, ascending, 10), "bc");
    let from = range(Bound::Included(at("b")), Bound::Unbounded);
    assert_eq!(keys(&store, &from, descending, 10), "gcb");
    let inverted = range(Bound::Included(at("g")), Bound::Excluded(at("a")));
    assert_eq!(keys(&store, &inverted, ascending, 10), "");
    assert_eq!(store.remove_range(&inside).unwrap(), 2);
    assert_eq!(keys(&store, &ALL, ascending, 10), "ag");
}

pub(crate) fn cursors() {
    let (transaction, store) = begin();
    let letters: Vec<_> = (b'a'..=b'z').collect();
    for letter in &letters {
        store.put(&[*letter], b"v").unwrap();
    }
    let cursor = store.open_cursor(&ALL, Direction::Descending).unwrap();
    let mut met = Vec::new();
    loop {
        let items = cursor.next(7).unwrap();
        if items.is_empty() {
            break;
        }
        met.extend(items.iter().map(|item| item.key[0]));
        // A cursor sees the writes of its transaction as they are when it is asked.
        store.remove(b"a").unwrap();
    }
    let expected: Vec<_> = letters
        .iter()
        .rev()
        .copied()
        .filter(|letter| *letter != b'a')
        .collect();
    assert_eq!(met, expected);
    transaction.rollback().unwrap();
    assert!(cursor.next(1).is_err());
}

pub(crate) fn many_items() {
    let (transaction, store) = begin();
    // Neither in order nor in one place: 7,919 is prime.
    let shuffled: Vec<u32> = (0..ITEMS).map(|number| number * 7_919 % ITEMS).collect();
    for numbers in shuffled.chunks(1_000) {
        let item = |number: &u32| Item {
            key: key(*number),
            value: number.to_string().repeat(8).into_bytes(),
        };
        let items: Vec<_> = numbers.iter().map(item).collect();
        store.put_many(&items).unwrap();
    }
    transaction.commit().unwrap();

    let (transaction, store) = begin();
    assert_eq!(store.count().unwrap(), u64::from(ITEMS));
    let cursor = store.open_cursor(&ALL, Direction::Ascending).unwrap();
    let mut next = 0;
    loop {
        let items = cursor.next(997).unwrap();
        if items.is_empty() {
            break;
        }
        for item in items {
            assert_eq!(item.key, key(next));
            assert_eq!(item.value, next.to_string().repeat(8).into_bytes());
            next += 1;
        }
    }
    assert_eq!(next, ITEMS);
    let middle = range(Bound::Included(key(100)), Bound::Excluded(key(ITEMS - 100)));
    assert_eq!(store.remove_range(&middle).unwrap(), u64::from(ITEMS - 200));
    transaction.commit().unwrap();
    let (_transaction, store) = snapshot();
    assert_eq!(store.count().unwrap(), 200);
    assert_eq!(store.last().unwrap().unwrap().key, key(ITEMS - 1));
    let items = store.scan(&ALL, Direction::Ascending, ITEMS).unwrap();
    assert_eq!(items[100].key, key(ITEMS - 100));
}

/// Strings in the packed form; none = absent.
fn unpacked(packed: &Packed) -> Vec<Option<Vec<u8>>> {
    let bytes: Vec<u8> = packed
        .words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut start = 0;
    let string = |end: &u64| {
        let (from, to) = (start, usize::try_from(end & !ABSENT).unwrap());
        start = to;
        (end & ABSENT == 0).then(|| bytes[from..to].to_vec())
    };
    packed.ends.iter().map(string).collect()
}

pub(crate) fn packed_lists() {
    let (_transaction, store) = begin();
    store.put(b"a", b"").unwrap();
    store.put(b"key", b"a value of more than one word").unwrap();
    let keys = Packed {
        ends: vec![1, 4, 7],
        words: vec![u64::from_le_bytes(*b"akeynil\0")],
    };
    let value = b"a value of more than one word".to_vec();
    let found = unpacked(&store.get_many_packed(&keys).unwrap());
    assert_eq!(found, [Some(Vec::new()), Some(value.clone()), None]);
    let all = [
        Some(b"a".to_vec()),
        Some(Vec::new()),
        Some(b"key".to_vec()),
        Some(value),
    ];
    let scanned = store.scan_packed(&ALL, Direction::Ascending, 10).unwrap();
    assert_eq!(unpacked(&scanned), all);
    let cursor = store.open_cursor(&ALL, Direction::Ascending).unwrap();
    assert_eq!(unpacked(&cursor.next_packed(10).unwrap()), all);
    let torn = Packed {
        ends: vec![5, 3],
        words: vec![0],
    };
    assert!(store.get_many_packed(&torn).is_err());
}
