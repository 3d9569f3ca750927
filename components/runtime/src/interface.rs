//! Vault: what a program declares of its channels, in a section that is not loaded.

pub use protocol::Request;
pub use protocol::interface::{Declared, Side};

/// Declares which requests travel on the channels that this program serves or calls, by the channels' names in the manifest:
///
/// ```text
/// runtime::interfaces! {
///     serves "pong": pong::Ping, pong::Sum;
///     calls "clock": clock::Now;
/// }
/// ```
///
/// The composer refuses to join two ends that declare a request with different hashes, or a caller with a server that does not know its
/// request; a channel with an end that declares nothing is reported as unchecked. Stands in `main.rs`, and costs a running system nothing.
#[macro_export]
macro_rules! interfaces {
    (@one serves $channel:literal $request:path) => {
        $crate::interfaces!(@emit Serves $channel $request);
    };
    (@one calls $channel:literal $request:path) => {
        $crate::interfaces!(@emit Calls $channel $request);
    };
    (@emit $side:ident $channel:literal $request:path) => {
        const _: () = {
            const IT: $crate::interface::Declared<'static> = $crate::interface::Declared {
                side: $crate::interface::Side::$side,
                channel: $channel,
                request: stringify!($request),
                label: <$request as $crate::interface::Request>::LABEL,
                hash: <$request as $crate::interface::Request>::SCHEMA_HASH,
            };
            #[cfg_attr(target_os = "none", allow(unsafe_code, reason = "a section of that name is the composer's alone"))]
            #[used]
            // SAFETY: D: nothing but the composer looks into that section, which the linker does not load.
            #[cfg_attr(target_os = "none", unsafe(link_section = ".bulkhead.interfaces"))]
            static DECLARED: [u8; IT.bytes()] = IT.encode();
        };
    };
    ($($side:ident $channel:literal: $($request:path),+ $(,)?);+ $(;)?) => {
        $($($crate::interfaces!(@one $side $channel $request);)+)+
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_section_is_the_one_that_the_composer_reads_and_the_linker_does_not_load() {
        let section = protocol::interface::SECTION;
        let quoted = std::format!("unsafe(link_section = \"{section}\")");
        assert!(include_str!("interface.rs").contains(&quoted));
        let script = include_str!("../component.x");
        assert!(script.contains(&std::format!("{section} 0 (INFO) : {{ KEEP(*({section})) }}")));
    }
}
