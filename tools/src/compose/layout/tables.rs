//! The tables that the mappings of each space need: one of level 2 for each GiB, one of level 3 for each 2 MiB
//! in which 4 KiB pages are mapped.

use super::build::Builder;
use super::plan::{GroupKey, Space, TableMap};
use abi::object::{BLOCK_BITS, PAGE_BITS};
use std::collections::BTreeSet;
use system::ObjectKind;

/// log2 of what a level-2 table covers, which holds blocks, and of what a level-3 table covers.
const COVERS: [u32; 2] = [30, BLOCK_BITS];

/// Adds the tables. Root has its own of level 2 for the first GiB.
pub fn add(b: &mut Builder, shared: GroupKey) {
    let mut needed = BTreeSet::new();
    for map in &b.plan.maps {
        let bytes = b.plan.object(map.frames).frame_bytes();
        for n in 0..map.count {
            let address = map.address + n * bytes;
            if map.space != Space::Root {
                needed.insert((2, map.space, address >> COVERS[0] << COVERS[0]));
            }
            if bytes == 1 << PAGE_BITS {
                needed.insert((3, map.space, address >> COVERS[1] << COVERS[1]));
            }
        }
    }
    for (level, space, address) in needed {
        let group = match space {
            Space::Root => shared,
            Space::Of(space) => b.plan.object(space).group,
        };
        let table = b.object(group, format!("level-{level} table at {address:#x}"), ObjectKind::Table { level });
        b.plan.tables.push(TableMap { table, level, space, address });
    }
}
