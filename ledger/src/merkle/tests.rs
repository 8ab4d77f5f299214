//! The tree against the vectors of RFC 6962, a naive recursion, and another implementation.

use super::*;
use crate::crypto::{empty_root, leaf_hash, node_hash};
use assert_matches::assert_matches;
use proptest::prelude::*;
use tally_schemas::id::TreeHead;
use tally_schemas::tile::{TileId, tiles_of};

/// The definition of RFC 6962 section 2.1, literally.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

fn naive_split(count: usize) -> usize {
    let mut k = 1;
    while k * 2 < count {
        k *= 2;
    }
    k
}

/// PATH(m, D[n]) of RFC 6962 section 2.1.1.
fn naive_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    if m < k {
        [naive_path(m, left), vec![naive_root(right)]].concat()
    } else {
        [naive_path(m - k, right), vec![naive_root(left)]].concat()
    }
}

/// SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2.
fn naive_subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![naive_root(leaves)]
        };
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    if m <= k {
        [naive_subproof(m, left, whole), vec![naive_root(right)]].concat()
    } else {
        [naive_subproof(m - k, right, false), vec![naive_root(left)]].concat()
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

fn head(leaves: &[Hash]) -> TreeHead {
    TreeHead {
        size: leaves.len() as u64,
        root: naive_root(leaves),
    }
}

#[test]
fn gives_the_roots_of_the_rfc_6962_reference_leaves() {
    let entries: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let (mut tree, mut frontier) = (Tree::new(), Frontier::new());
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(tree.root().to_hex(), *root, "size {size}");
        assert_eq!(frontier.root().to_hex(), *root, "size {size}");
        if let Some(entry) = entries.get(size) {
            tree.append(leaf_hash(entry));
            frontier.append(leaf_hash(entry));
        }
    }
    // The path of leaf 0 in the full tree, by hand.
    let path = tree.inclusion(0, 8).unwrap();
    assert_eq!(path.len(), 3);
    assert_eq!(path[0], leaf_hash(entries[1]));
    assert_eq!(path[1], node_hash(&leaf_hash(entries[2]), &leaf_hash(entries[3])));
}

#[test]
fn every_proof_of_every_small_tree_is_that_of_the_rfc_and_verifies() {
    let leaves = leaves(40);
    let tree: Tree = leaves.iter().copied().collect();
    for size in 0..=leaves.len() {
        let new = head(&leaves[..size]);
        assert_eq!(tree.head_at(size as u64), Ok(new));
        for index in 0..size {
            let proof = tree.inclusion(index as u64, size as u64).unwrap();
            assert_eq!(proof, naive_path(index, &leaves[..size]));
            assert_eq!(
                verify_inclusion(&leaves[index], index as u64, &new, &proof),
                Ok(())
            );
        }
        for old in 1..=size {
            let proof = tree.consistency(old as u64, size as u64).unwrap();
            assert_eq!(proof, naive_subproof(old, &leaves[..size], true));
            assert_eq!(verify_consistency(&head(&leaves[..old]), &new, &proof), Ok(()));
        }
        assert_eq!(tree.consistency(0, size as u64), Ok(Vec::new()));
        assert_eq!(verify_consistency(&head(&[]), &new, &[]), Ok(()));
    }
}

#[test]
fn a_proof_from_fewer_leaves_than_it_spans_is_the_one_made_from_all() {
    let leaves = leaves(40);
    let whole: Tree = leaves.iter().copied().collect();
    for new in 0..=40_u64 {
        for end in 0..=new {
            let held: Tree = leaves
                .iter()
                .take(usize::try_from(end).unwrap())
                .copied()
                .collect();
            let beyond = whole.consistency(end, new).unwrap();
            for old in 0..=end {
                assert_eq!(
                    prove_consistency_beyond(&held, old, (end, new), &beyond),
                    whole.consistency(old, new),
                    "{old} of {end} of {new}"
                );
            }
            for index in 0..end {
                assert_eq!(
                    prove_inclusion_beyond(&held, index, (end, new), &beyond),
                    whole.inclusion(index, new),
                    "{index} of {end} of {new}"
                );
            }
        }
    }
    let held: Tree = leaves.iter().take(6).copied().collect();
    let beyond = whole.consistency(6, 11).unwrap();
    assert_matches!(
        prove_consistency_beyond(&held, 7, (6, 11), &beyond),
        Err(ProofError::Shrinks { .. })
    );
    assert_matches!(
        prove_consistency_beyond(&held, 4, (6, 11), &beyond[1..]),
        Err(ProofError::Length { .. })
    );
    assert_eq!(
        prove_inclusion_beyond(&held, 6, (6, 11), &beyond),
        Err(ProofError::IndexOutside { index: 6, size: 6 })
    );
    assert_matches!(
        prove_inclusion_beyond(&held, 4, (6, 11), &beyond[1..]),
        Err(ProofError::Length { .. })
    );
}

#[test]
fn refuses_a_leaf_at_another_index_or_size() {
    let leaves = leaves(21);
    let tree: Tree = leaves.iter().copied().collect();
    for size in 1..=21u64 {
        for index in 0..size {
            let proof = tree.inclusion(index, size).unwrap();
            for other_size in 0..=21u64 {
                for other_index in 0..other_size {
                    let head = tree.head_at(other_size).unwrap();
                    let leaf = tree.leaf(index).unwrap();
                    let accepted = verify_inclusion(&leaf, other_index, &head, &proof).is_ok();
                    assert_eq!(accepted, (index, size) == (other_index, other_size));
                }
            }
        }
    }
}

#[test]
fn refuses_a_head_that_is_no_continuation() {
    let ours = leaves(30);
    let mut theirs = ours.clone();
    theirs[9] = leaf_hash(b"another act");
    let fork: Tree = theirs.iter().copied().collect();
    for old in 10..=30usize {
        for new in old..=30usize {
            let proof = fork.consistency(old as u64, new as u64).unwrap();
            assert_matches!(
                verify_consistency(&head(&ours[..old]), &head(&theirs[..new]), &proof),
                Err(ProofError::OtherRoot { .. })
            );
        }
    }
    let (small, large) = (head(&ours[..3]), head(&ours[..5]));
    assert_matches!(
        verify_consistency(&large, &small, &[]),
        Err(ProofError::Shrinks { old: 5, new: 3 })
    );
    assert_matches!(
        verify_consistency(&small, &large, &[]),
        Err(ProofError::Length { got: 0, .. })
    );
    let false_start = TreeHead {
        size: 0,
        root: large.root,
    };
    assert_matches!(
        verify_consistency(&false_start, &large, &[]),
        Err(ProofError::OtherRoot { .. })
    );
    assert_matches!(
        verify_consistency(&head(&[]), &false_start, &[]),
        Err(ProofError::OtherRoot { .. })
    );
}

#[test]
fn asking_beyond_the_tree_is_an_error() {
    let tree: Tree = leaves(5).into_iter().collect();
    assert_matches!(
        tree.inclusion(5, 5),
        Err(ProofError::IndexOutside { index: 5, size: 5 })
    );
    assert_matches!(tree.inclusion(0, 0), Err(ProofError::IndexOutside { .. }));
    assert_matches!(tree.inclusion(0, 6), Err(ProofError::Read(_)));
    assert_matches!(tree.inclusion(0, u64::MAX), Err(ProofError::IndexOutside { .. }));
    assert_matches!(tree.consistency(6, 5), Err(ProofError::Shrinks { .. }));
    assert_matches!(tree.consistency(5, 6), Err(ProofError::Read(_)));
    assert_matches!(tree.consistency(1, u64::MAX), Err(ProofError::Shrinks { .. }));
    assert_matches!(tree.head_at(6), Err(_));
    let huge = TreeHead {
        size: u64::MAX,
        root: Hash::default(),
    };
    assert_matches!(verify_inclusion(&Hash::default(), 0, &huge, &[]), Err(_));
    assert_matches!(verify_consistency(&tree.head(), &huge, &[]), Err(_));
    let largest = TreeHead {
        size: TREE_SIZE_MAX,
        root: Hash::default(),
    };
    assert_matches!(
        verify_inclusion(&Hash::default(), 0, &largest, &[]),
        Err(ProofError::Length { expected: 63, .. })
    );
    assert_matches!(
        verify_inclusion(&Hash::default(), 0, &largest, &[Hash::default(); 63]),
        Err(ProofError::OtherRoot { .. })
    );
}

#[test]
fn another_implementation_accepts_our_proofs_and_gives_the_same() {
    use ct_merkle::{ConsistencyProof, InclusionProof, mem_backed_tree::MemoryBackedTree};
    let mut theirs = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    let mut ours = Tree::new();
    let mut roots = vec![theirs.root()];
    for index in 0..70u64 {
        let entry = index.to_be_bytes().to_vec();
        ours.append(leaf_hash(&entry));
        theirs.push(entry);
        let root = theirs.root();
        assert_eq!(ours.root().0.as_slice(), root.as_bytes().as_slice());
        roots.push(root);
        let size = index + 1;
        for place in 0..size {
            let proof = ours.inclusion(place, size).unwrap();
            let bytes = proof.iter().flat_map(|hash| hash.0).collect();
            let other = InclusionProof::try_from_bytes(bytes).unwrap();
            theirs
                .root()
                .verify_inclusion(&place.to_be_bytes().to_vec(), place, &other)
                .unwrap();
        }
        for old in 1..size {
            let proof = ours.consistency(old, size).unwrap();
            let bytes: Vec<u8> = proof.iter().flat_map(|hash| hash.0).collect();
            let additions = usize::try_from(size - old).unwrap();
            assert_eq!(bytes, theirs.prove_consistency(additions).as_bytes());
            let other = ConsistencyProof::try_from_bytes(bytes).unwrap();
            let old_root = &roots[usize::try_from(old).unwrap()];
            theirs.root().verify_consistency(old_root, &other).unwrap();
        }
    }
}

/// Tiles as they would lie in files, each only in the width that the size asks for.
struct Tiles(std::collections::BTreeMap<TileId, Vec<Hash>>);

impl TileReader for Tiles {
    fn tile(&self, tile: TileId) -> Result<Vec<Hash>, ReadError> {
        self.0.get(&tile).cloned().ok_or_else(|| ReadError {
            level: tile.level,
            index: tile.index,
            why: format!("no file {}", tile.path()),
        })
    }
}

fn tiles(tree: &Tree, size: u64) -> TileHashes<Tiles> {
    let files = tiles_of(size)
        .map(|tile| {
            (
                tile,
                tree.tile_hashes(tile.level, tile.index, tile.width).unwrap(),
            )
        })
        .collect();
    TileHashes::new(Tiles(files), size)
}

#[test]
fn tiles_give_the_proofs_of_the_tree_over_three_tile_levels() {
    let tree: Tree = leaves(66_000).into_iter().collect();
    for size in [65_535, 65_536, 65_537, 66_000] {
        let files = tiles(&tree, size);
        assert_eq!(root_at(&files, size), root_at(&tree, size));
        for index in [0, 1, 255, 256, 65_279, 65_280, size - 1] {
            assert_eq!(prove_inclusion(&files, index, size), tree.inclusion(index, size));
            assert_eq!(
                prove_consistency(&files, index + 1, size),
                tree.consistency(index + 1, size)
            );
        }
    }
}

proptest! {
    #[test]
    fn tiles_give_the_hashes_of_the_tree_and_no_others(
        size in 1u64..1500, level in 0u8..12, index in 0u64..1600, small in 0u64..8,
    ) {
        let tree: Tree = leaves(size).into_iter().collect();
        let files = tiles(&tree, size);
        for index in [index, small] {
            prop_assert_eq!(files.node(level, index).ok(), tree.node(level, index).ok());
        }
    }

    #[test]
    fn tile_reading_never_panics(size in any::<u64>(), level in any::<u8>(), index in any::<u64>()) {
        let none = TileHashes::new(Tiles(std::collections::BTreeMap::new()), size);
        prop_assert!(none.node(level, index).is_err());
    }

    #[test]
    fn tree_and_frontier_agree_with_the_definition(count in 0u64..700) {
        let leaves = leaves(count);
        let tree: Tree = leaves.iter().copied().collect();
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.append(*leaf));
        prop_assert_eq!(tree.head(), head(&leaves));
        prop_assert_eq!(frontier.head(), head(&leaves));
        let peaks = frontier.peaks().to_vec();
        prop_assert_eq!(Frontier::from_parts(count, peaks.clone()), Some(frontier));
        prop_assert_eq!(Frontier::from_parts(count + 1, peaks).is_some(), (count + 1).count_ones() == count.count_ones());
    }

    #[test]
    fn a_truncated_tree_is_the_tree_of_fewer_leaves(count in 0u64..600, keep in 0u64..700, more in 0u64..20) {
        let all = leaves(count);
        let mut tree: Tree = all.iter().copied().collect();
        tree.truncate(keep);
        let kept = usize::try_from(keep.min(count)).unwrap();
        let mut expected: Tree = all[..kept].iter().copied().collect();
        prop_assert_eq!(&tree, &expected);
        for leaf in leaves(more) {
            tree.append(leaf);
            expected.append(leaf);
        }
        prop_assert_eq!(tree, expected);
    }

    #[test]
    fn a_changed_proof_is_refused(count in 2u64..300, index in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let leaves = leaves(count);
        let tree: Tree = leaves.iter().copied().collect();
        let index = index.index(leaves.len());
        let mut proof = tree.inclusion(index as u64, count).unwrap();
        let bit = bit.index(proof.len() * 256);
        proof[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(&leaves[index], index as u64, &tree.head(), &proof).is_err());
        proof.pop();
        let short = verify_inclusion(&leaves[index], index as u64, &tree.head(), &proof);
        let refused = matches!(short, Err(ProofError::Length { .. }));
        prop_assert!(refused);
        let old = index as u64 + 1;
        let old_head = tree.head_at(old).unwrap();
        let mut proof = tree.consistency(old, count).unwrap();
        if !proof.is_empty() {
            let bit = bit % (proof.len() * 256);
            proof[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
            prop_assert!(verify_consistency(&old_head, &tree.head(), &proof).is_err());
        }
    }

    #[test]
    fn verification_never_panics(
        index in any::<u64>(), size in any::<u64>(), old in any::<u64>(),
        hashes in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70),
    ) {
        let head = TreeHead { size, root: Hash::default() };
        prop_assert!(verify_inclusion(&Hash::default(), index, &head, &hashes).is_err());
        let old = TreeHead { size: old, root: Hash([1; 32]) };
        prop_assert!(verify_consistency(&old, &head, &hashes).is_err());
    }

    #[test]
    fn tile_hashes_are_the_roots_of_256_wide_subtrees(count in 1u64..1500) {
        let leaves = leaves(count);
        let tree: Tree = leaves.iter().copied().collect();
        let width = u16::try_from((count / 256) % 256).unwrap();
        let tile = tree.tile_hashes(1, 0, width).unwrap_or_default();
        let expected: Vec<Hash> = leaves.chunks_exact(256).map(naive_root).collect();
        prop_assert_eq!(tile, expected);
        prop_assert_eq!(tree.tile_hashes(1, 0, width + 1), None);
    }
}
