//! Pages survive the round trip, and nothing else passes for one: every damaged bit is found, any bytes are
//! answered, and pages that are wrong under a right checksum are refused or harmless.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::format::{CHECKSUM_BYTES, checksum_of};
use super::{
    Builder, Cell, Key, Page, PageError, VALUE_OVERHEAD_BYTES, Value, Weight, decode_value,
    delta_bytes, encode_value,
};
use crate::types::LogicalId;

const ID: LogicalId = LogicalId::new(3, 99);

type Cells = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A leaf; no value stands for a value blob.
fn leaf(low: &[u8], high: Option<&[u8]>, cells: &Cells) -> Page {
    let last = cells.last().map(|(key, _)| Key::whole(key));
    let mut builder = Builder::leaf(ID, low, high, last);
    let mut weight = Weight::default();
    for (index, (key, value)) in cells.iter().enumerate() {
        let cell = value
            .as_ref()
            .map_or(Cell::Reference(1_000 + index as u64), |value| {
                Cell::Inline(value)
            });
        weight = weight.plus(Weight::of(key.len(), &cell));
        builder.push(Key::whole(key), &cell);
    }
    let page = builder.finish();
    assert_eq!(weight.leaf_bytes(low, high, last), page.page_bytes());
    assert_eq!(page.weight(), weight);
    page
}

fn branch(low: &[u8], high: Option<&[u8]>, keys: &[Vec<u8>]) -> Page {
    let last = keys.last().map(|key| Key::whole(key));
    let mut builder = Builder::branch(ID, 2, low, high, last);
    let mut weight = Weight::default();
    for (index, key) in keys.iter().enumerate() {
        weight = weight.plus(Weight::of_child(key.len()));
        builder.push_child(
            Key::whole(key),
            LogicalId::new(ID.store, 500 + index as u64),
        );
    }
    let page = builder.finish();
    assert_eq!(weight.branch_bytes(low, high, last), page.page_bytes());
    assert_eq!(page.weight(), weight);
    page
}

fn parse(bytes: &[u8]) -> Result<Page, PageError> {
    Page::parse(ID, vec![bytes.to_vec()])
}

fn sample_leaf() -> Page {
    let cells = (0..20_u8).map(|index| {
        let value = (index % 5 != 0).then(|| vec![index; usize::from(index)]);
        (format!("shared-{index:03}").into_bytes(), value)
    });
    leaf(b"shared-", Some(b"shared-1"), &cells.collect())
}

fn sample_branch() -> Page {
    let keys: Vec<_> = (0..12)
        .map(|index| format!("shared-{index:03}").into_bytes())
        .collect();
    branch(b"shared-000", None, &keys)
}

fn sample_delta(page: &Page) -> Vec<u8> {
    let mut builder = Builder::delta(page);
    builder.push(Key::whole(b"shared-003"), &Cell::Inline(b"changed"));
    builder.push(Key::whole(b"shared-004"), &Cell::Removed);
    builder.push(Key::whole(b"shared-0040"), &Cell::Reference(77));
    builder.finish_delta()
}

/// Touches everything that can be asked of a page.
fn use_page(page: &Page, key: &[u8]) {
    for slot in 0..page.len() {
        let key = page.key(slot).to_vec();
        if page.is_leaf() {
            assert_eq!(page.search(&key), Ok(slot));
            let _ = page.value(slot);
        } else {
            assert_eq!(page.child_for(&key), slot);
            assert!(page.child(slot).node > LogicalId::ROOT);
        }
    }
    let (Ok(slot) | Err(slot)) = page.search(key);
    assert!(slot <= page.len());
    assert!(page.is_leaf() || page.child_for(key) < page.len());
    assert_eq!(page.weight().cells, page.len());
}

/// Makes the checksum right again.
fn reseal(bytes: &mut [u8]) {
    let checksum = checksum_of(bytes).to_le_bytes();
    let start = bytes.len() - CHECKSUM_BYTES;
    bytes[start..].copy_from_slice(&checksum);
}

fn cells() -> impl Strategy<Value = BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
    let key = prop_oneof![
        vec(any::<u8>(), 0..12),
        vec(b'a'..=b'b', 0..9),
        (0_u32..5000).prop_map(|number| format!("a-longer-prefix-{number}").into_bytes()),
    ];
    btree_map(
        key,
        proptest::option::weighted(0.9, vec(any::<u8>(), 0..30)),
        0..60,
    )
}

proptest! {
    #[test]
    fn a_leaf_holds_what_was_put_in(
        cells in cells(),
        bounded in any::<bool>(),
        absent in vec(any::<u8>(), 0..8),
    ) {
        let low = cells.keys().next().cloned().unwrap_or_default();
        let mut high = cells.keys().last().cloned().unwrap_or_default();
        high.push(0);
        let list: Cells = cells.clone().into_iter().collect();
        let built = leaf(&low, bounded.then_some(high.as_slice()), &list);
        let page = parse(built.bytes()).unwrap();
        prop_assert_eq!(page.len(), list.len());
        for (slot, (key, value)) in list.iter().enumerate() {
            prop_assert_eq!(&page.key(slot).to_vec(), key);
            prop_assert_eq!(page.search(key), Ok(slot));
            match (value, page.value(slot)) {
                (Some(value), Value::Inline(found)) => prop_assert_eq!(value, found),
                (None, Value::Blob(id)) => prop_assert_eq!(id, LogicalId::new(ID.store, 1_000 + slot as u64)),
                (value, found) => prop_assert!(false, "{:?} became {:?}", value, found),
            }
        }
        let expected = list.binary_search_by(|(key, _)| key.as_slice().cmp(&absent));
        prop_assert_eq!(page.search(&absent), expected);
    }

    #[test]
    fn a_branch_leads_to_the_right_child(cells in cells(), key in vec(b'a'..=b'c', 0..6)) {
        let keys: Vec<_> = cells.into_keys().collect();
        prop_assume!(!keys.is_empty());
        let page = parse(branch(&keys[0], None, &keys).bytes()).unwrap();
        for wanted in keys.iter().chain([&key]) {
            let expected = keys.iter().rposition(|key| key <= wanted).unwrap_or(0);
            prop_assert_eq!(page.child_for(wanted), expected);
        }
    }

    #[test]
    fn deltas_come_to_what_a_whole_page_would(
        base in cells(),
        changes in vec(cells(), 1..4),
        bounded in any::<bool>(),
    ) {
        let high = b"z".as_slice();
        let within = |key: &[u8]| key >= b"a".as_slice() && (!bounded || key < high);
        let mut model: BTreeMap<_, _> = base.into_iter().filter(|(key, _)| within(key)).collect();
        let page = leaf(b"a", bounded.then_some(high), &model.clone().into_iter().collect());
        let (mut bodies, mut current) = (vec![page.bytes().to_vec()], page);
        for change in changes {
            let mut builder = Builder::delta(&current);
            let mut weight = Weight::default();
            for (key, value) in change.iter().filter(|(key, _)| within(key)) {
                let cell = match value {
                    Some(value) => Cell::Inline(value),
                    None if model.contains_key(key) => Cell::Removed,
                    None => continue,
                };
                weight = weight.plus(Weight::of(key.len(), &cell));
                builder.push(Key::whole(key), &cell);
                match value {
                    Some(_) => drop(model.insert(key.clone(), value.clone())),
                    None => drop(model.remove(key)),
                }
            }
            if weight.cells == 0 {
                continue;
            }
            let body = builder.finish_delta();
            prop_assert_eq!(body.len(), delta_bytes(&current, weight));
            bodies.push(body);
            current = Page::parse(ID, bodies.clone()).unwrap();
        }
        let found: Vec<_> = (0..current.len()).map(|slot| current.key(slot).to_vec()).collect();
        prop_assert_eq!(found, model.keys().cloned().collect::<Vec<_>>());
        prop_assert_eq!(current.deltas(), bodies.len() - 1);
        // The page is the one that a writer would have built.
        prop_assert!(parse(current.bytes()).is_ok());
    }

    #[test]
    fn any_bytes_are_answered(bodies in vec(vec(any::<u8>(), 0..300), 0..4)) {
        prop_assert!(Page::parse(ID, bodies.clone()).is_err());
        prop_assert!(bodies.iter().all(|body| decode_value(ID, body).is_err()));
    }

    #[test]
    fn changed_pages_with_right_checksums_do_no_harm(
        of_branch in any::<bool>(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        key in vec(any::<u8>(), 0..12),
    ) {
        let page = if of_branch { sample_branch() } else { sample_leaf() };
        let mut bytes = page.bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()).max(CHECKSUM_BYTES));
        }
        reseal(&mut bytes);
        if let Ok(page) = parse(&bytes) {
            use_page(&page, &key);
        }
    }

    #[test]
    fn changed_deltas_with_right_checksums_do_no_harm(
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        key in vec(any::<u8>(), 0..12),
    ) {
        let page = sample_leaf();
        let mut delta = sample_delta(&page);
        for (at, byte) in edits {
            let at = at.index(delta.len());
            delta[at] = byte;
        }
        reseal(&mut delta);
        if let Ok(page) = Page::parse(ID, vec![page.bytes().to_vec(), delta]) {
            use_page(&page, &key);
        }
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let page = sample_leaf();
    let delta = sample_delta(&page);
    let value = encode_value(ID, b"a value blob");
    assert!(Page::parse(ID, vec![page.bytes().to_vec(), delta.clone()]).is_ok());
    for sample in [
        page.bytes().to_vec(),
        sample_branch().bytes().to_vec(),
        delta,
        value,
    ] {
        for bit in 0..sample.len() * 8 {
            let mut damaged = sample.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&damaged).is_err());
            assert!(decode_value(ID, &damaged).is_err());
            assert!(Page::parse(ID, vec![page.bytes().to_vec(), damaged]).is_err());
        }
    }
}

#[test]
fn other_lengths_are_found() {
    let page = sample_leaf();
    for sample in [
        page.bytes().to_vec(),
        sample_branch().bytes().to_vec(),
        sample_delta(&page),
        encode_value(ID, b"v"),
    ] {
        for length in 0..sample.len() {
            assert!(parse(&sample[..length]).is_err());
            assert!(decode_value(ID, &sample[..length]).is_err());
        }
        let mut longer = sample.clone();
        longer.push(0);
        assert!(parse(&longer).is_err());
    }
    // With a right checksum, too, unless the last cell takes the byte for a part of its value: there is no
    // slack.
    for sample in [
        sample_branch().bytes().to_vec(),
        sample_delta(&page),
        encode_value(ID, b"v"),
    ] {
        let mut longer = sample;
        longer.push(0);
        reseal(&mut longer);
        assert!(Page::parse(ID, vec![page.bytes().to_vec(), longer.clone()]).is_err());
        assert!(parse(&longer).is_err());
        assert!(decode_value(ID, &longer).is_err());
    }
}

#[test]
fn the_page_of_another_node_is_refused() {
    let bytes = sample_leaf().bytes().to_vec();
    for other in [LogicalId::new(4, 99), LogicalId::new(3, 98)] {
        assert_eq!(
            Page::parse(other, vec![bytes.clone()]).err(),
            Some(PageError::WrongNode(ID))
        );
        assert_eq!(
            decode_value(other, &encode_value(ID, b"")),
            Err(PageError::WrongNode(ID))
        );
    }
}

#[test]
fn a_chain_is_applied_in_its_order_and_on_its_base_only() {
    let page = sample_leaf();
    let (base, delta) = (page.bytes().to_vec(), sample_delta(&page));
    let applied = Page::parse(ID, vec![base.clone(), delta.clone()]).unwrap();
    assert_eq!(
        (applied.len(), applied.deltas(), applied.delta_bytes()),
        (20, 1, delta.len())
    );
    let slot = applied.search(b"shared-003").unwrap();
    assert_eq!(applied.value(slot), Value::Inline(b"changed"));
    assert_eq!(applied.search(b"shared-004"), Err(slot + 1));
    assert_eq!(
        applied.value(slot + 1),
        Value::Blob(LogicalId::new(ID.store, 77))
    );

    let error = |bodies: Vec<Vec<u8>>| Page::parse(ID, bodies).unwrap_err();
    assert_eq!(error(vec![]), PageError::EmptyChain);
    assert_eq!(error(vec![delta.clone()]), PageError::Kind(3));
    assert_eq!(error(vec![base.clone(), base.clone()]), PageError::Kind(1));
    assert_eq!(
        error(vec![base, delta.clone(), delta.clone()]),
        PageError::DeltaFollows(1)
    );
    assert_eq!(
        error(vec![sample_branch().bytes().to_vec(), delta.clone()]),
        PageError::BranchWithDelta
    );
    let other = leaf(b"shared-", Some(b"shared-1"), &vec![]);
    assert_eq!(
        error(vec![other.bytes().to_vec(), delta]),
        PageError::DeltaFollows(0)
    );
    let mut absent = Builder::delta(&other);
    absent.push(Key::whole(b"shared-003"), &Cell::Removed);
    assert_eq!(
        error(vec![other.bytes().to_vec(), absent.finish_delta()]),
        PageError::DeltaAbsent(0)
    );
    let mut outside = Builder::delta(&other);
    outside.push(Key::whole(b"shared-2"), &Cell::Inline(b""));
    assert_eq!(
        error(vec![other.bytes().to_vec(), outside.finish_delta()]),
        PageError::OutsideFences(0)
    );
}

#[test]
fn a_value_lies_in_its_body() {
    for length in [0, 1, 255, 70_000] {
        let value = vec![5; length];
        let body = encode_value(ID, &value);
        assert_eq!(body.len(), length + VALUE_OVERHEAD_BYTES);
        assert_eq!(body[decode_value(ID, &body).unwrap()], value);
        assert!(parse(&body).is_err());
    }
    assert_eq!(
        decode_value(ID, sample_leaf().bytes()),
        Err(PageError::Kind(1))
    );
}

#[test]
fn the_bytes_of_a_small_leaf_are_these() {
    let page = leaf(
        b"ab",
        Some(b"ad"),
        &vec![
            (b"abc".to_vec(), Some(b"v".to_vec())),
            (b"abd".to_vec(), None),
        ],
    );
    let mut expected = b"sopN\x01\x01\x00\x00".to_vec();
    expected.extend(3_u64.to_le_bytes());
    expected.extend(99_u64.to_le_bytes());
    expected.extend([2, 0, 2, 0, 2, 0, 2, 0]);
    expected.extend(b"abad");
    expected.extend(b"c\0\0\0d\0\0\0");
    expected.extend([48, 0, 52, 0]);
    expected.extend([1, 0, b'c', b'v']);
    expected.extend([1, 64, b'd']);
    expected.extend(1_001_u64.to_le_bytes());
    expected.extend(checksum_of(&[expected.as_slice(), &[0; 8]].concat()).to_le_bytes());
    assert_eq!(page.bytes(), expected);
}
