//! What a network device and its driver say to each other (virtio 1.2, section 5.1), as typed values.

/// The network device's type.
pub const NET_ID: u32 = 1;

/// VIRTIO_NET_F_MTU (section 5.1.3).
pub const FEATURE_MTU: u64 = 1 << 3;
/// VIRTIO_NET_F_MAC.
pub const FEATURE_MAC: u64 = 1 << 5;
/// VIRTIO_NET_F_STATUS.
pub const FEATURE_STATUS: u64 = 1 << 16;

/// Bytes of `virtio_net_hdr` (section 5.1.6): with VIRTIO_F_VERSION_1 it always has `num_buffers`.
pub const HEADER_BYTES: usize = 12;
/// Bytes of an Ethernet header: no frame is shorter.
pub const ETHERNET_BYTES: usize = 14;
/// Bytes of a VLAN's tag, which a frame may have besides.
pub const TAG_BYTES: usize = 4;
/// The least MTU that a driver must live with (section 5.1.4.1).
pub const MTU_MIN: u16 = 68;

/// The header of a frame that is handed to the driver: `num_buffers` is 1 (section 5.1.6.4.1), nothing else applies.
pub const RECEIVED: [u8; HEADER_BYTES] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];

/// Whether a frame of the driver's asks for nothing that was not offered: no checksum to fill in, nothing to cut into segments.
pub fn is_plain([flags, gso_type, ..]: [u8; HEADER_BYTES]) -> bool {
    flags == 0 && gso_type == 0
}

/// A byte of the configuration (section 5.1.4): mac, status (bit 0: the link is up), max_virtqueue_pairs (none), mtu.
pub fn configuration(mac: [u8; 6], is_up: bool, mtu: u16, offset: u32) -> u8 {
    let [low, high] = mtu.to_le_bytes();
    match offset {
        6 => is_up.into(),
        10 => low,
        11 => high,
        _ => mac.get(offset as usize).copied().unwrap_or(0),
    }
}
