//! Frames and tables.

use super::{State, states};
use crate::room::{Call, MAPPABLE, NO_TABLES, Room};
use abi::Error;
use abi::boot::root_slot;
use abi::describe::CapType;
use abi::method::*;
use abi::object::ObjectType;

pub fn map(room: &Room, frame: u32, address: u32, flags: u32) -> Call {
    Call::method(frame, FrameMethod::Map as u16, &[room.of(CapType::VSpace), address, flags])
}

fn map_table(room: &Room, table: u32, address: u32) -> Call {
    Call::method(table, TableMethod::Map as u16, &[room.of(CapType::VSpace), address])
}

pub fn all() -> Vec<State> {
    const BLOCK: u32 = 2 << 20;
    states! {
        "Frame::Map", AlreadyMapped, "where it is", |room| {
            let call = map(room, room.of(CapType::Frame), MAPPABLE, 1);
            room.ok(&call);
            call
        };
        "Frame::Map", AlreadyMapped, "elsewhere, too", |room| {
            let call = map(room, room.of(CapType::Frame), MAPPABLE, 1);
            room.ok(&call);
            map(room, room.of(CapType::Frame), MAPPABLE + 0x1000, 1)
        };
        "Frame::Map", NoRights, "not readable", |room| map(room, room.of(CapType::Frame), MAPPABLE, 0);
        "Frame::Map", NoRights, "writable alone", |room| map(room, room.of(CapType::Frame), MAPPABLE, 2);
        "Frame::Map", NoRights, "writable, of a copy that may only be read", |room| {
            let copy = room.copy(room.of(CapType::Frame), 1 | 8);
            map(room, copy, MAPPABLE, 3)
        };
        "Frame::Map", NoRights, "executable, of a copy that may not be", |room| {
            let copy = room.copy(room.of(CapType::Frame), 3);
            map(room, copy, MAPPABLE, 9)
        };
        "Frame::Map", NoRights, "a device, executable", |room| {
            let frame = room.device_frame();
            map(room, frame, MAPPABLE, 1 | 8 | 32)
        };
        "Frame::Map", DeviceMemory, "a device as memory", |room| {
            let frame = room.device_frame();
            map(room, frame, MAPPABLE, 3)
        };
        "Frame::Map", DeviceMemory, "a device as uncached memory", |room| {
            let frame = room.device_frame();
            map(room, frame, MAPPABLE, 3 | 16)
        };
        "Frame::Map", DeviceMemory, "memory as a device", |room| map(room, room.of(CapType::Frame), MAPPABLE, 3 | 32);
        "Frame::Map", OutOfRange, "2 MiB uncached", |room| {
            let block = room.make(ObjectType::Frame, 21);
            map(room, block, BLOCK, 3 | 16)
        };
        "Frame::Map", WriteExecute, "in a component's space", |room| {
            let words = [root_slot::VSPACE, abi::boot::ROOT_SCRATCH_ADDRESS, 1 | 2 | 8];
            Call::method(room.of(CapType::Frame), FrameMethod::Map as u16, &words)
        };
        "Frame::Map", MissingTable, "no table of level 2", |room| map(room, room.of(CapType::Frame), NO_TABLES, 1);
        "Frame::Map", MissingTable, "no table of level 3", |room| map(room, room.of(CapType::Frame), BLOCK, 1);
        "Frame::Map", MissingTable, "2 MiB, no table of level 2", |room| {
            let block = room.make(ObjectType::Frame, 21);
            map(room, block, NO_TABLES, 1)
        };
        "Frame::Map", MissingTable, "the last page of all", |room| map(room, room.of(CapType::Frame), 0xffff_f000, 1);
        "Frame::Map", AddressOccupied, "a page over a page", |room| {
            let call = map(room, room.of(CapType::Frame), MAPPABLE, 1);
            room.ok(&call);
            let other = room.make(ObjectType::Frame, 12);
            map(room, other, MAPPABLE, 1)
        };
        "Frame::Map", AddressOccupied, "a copy over its source", |room| {
            let call = map(room, room.of(CapType::Frame), MAPPABLE, 1);
            room.ok(&call);
            let copy = room.copy(room.of(CapType::Frame), 15);
            map(room, copy, MAPPABLE, 1)
        };
        "Frame::Map", AddressOccupied, "2 MiB over pages", |room| {
            let block = room.make(ObjectType::Frame, 21);
            map(room, block, 0, 1)
        };
        "Frame::Map", AddressOccupied, "a page over 2 MiB", |room| {
            let block = room.make(ObjectType::Frame, 21);
            let call = map(room, block, BLOCK, 1);
            room.ok(&call);
            map(room, room.of(CapType::Frame), BLOCK, 1)
        };
        "Frame::Unmap", NotMapped, "never mapped", |room| {
            Call::method(room.of(CapType::Frame), FrameMethod::Unmap as u16, &[])
        };
        "Frame::Unmap", NotMapped, "its table was unmapped", |room| {
            let table = room.make(ObjectType::Table, 3);
            let (table_call, frame_call) = (map_table(room, table, BLOCK), map(room, room.of(CapType::Frame), BLOCK, 1));
            room.ok(&table_call);
            room.ok(&frame_call);
            room.ok(&Call::method(table, TableMethod::Unmap as u16, &[]));
            Call::method(room.of(CapType::Frame), FrameMethod::Unmap as u16, &[])
        };
        "Frame::Clean", DeviceMemory, "a device", |room| cache(room, FrameMethod::Clean);
        "Frame::CleanInvalidate", DeviceMemory, "a device", |room| cache(room, FrameMethod::CleanInvalidate);
        "Frame::Invalidate", DeviceMemory, "a device", |room| cache(room, FrameMethod::Invalidate);
        "Frame::Unify", DeviceMemory, "a device", |room| cache(room, FrameMethod::Unify);
        "Table::Map", AlreadyMapped, "where it is", |room| {
            let call = map_table(room, room.of(CapType::Table), NO_TABLES);
            room.ok(&call);
            call
        };
        "Table::Map", MissingTable, "level 3 before level 2", |room| {
            let table = room.make(ObjectType::Table, 3);
            map_table(room, table, NO_TABLES)
        };
        "Table::Map", AddressOccupied, "level 2 over level 2", |room| map_table(room, room.of(CapType::Table), 0);
        "Table::Map", AddressOccupied, "level 3 over level 3", |room| {
            let table = room.make(ObjectType::Table, 3);
            map_table(room, table, BLOCK - 1)
        };
        "Table::Map", AddressOccupied, "level 3 over a frame of 2 MiB", |room| {
            let (block, table) = (room.make(ObjectType::Frame, 21), room.make(ObjectType::Table, 3));
            let call = map(room, block, BLOCK, 1);
            room.ok(&call);
            map_table(room, table, BLOCK)
        };
        "Table::Unmap", NotMapped, "never mapped", |room| {
            Call::method(room.of(CapType::Table), TableMethod::Unmap as u16, &[])
        };
    }
}

fn cache(room: &mut Room, method: FrameMethod) -> Call {
    Call::method(room.device_frame(), method as u16, &[0, 64])
}
