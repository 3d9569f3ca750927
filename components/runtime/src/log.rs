//! Words for people: `log::info!("text {=u32}", number)` and its siblings.
//!
//! On the target they are defmt frames in the component's lossy ring; `DEFMT_LOG` at compile time says from which
//! level on. On the host they are lines of text for whoever runs the system ([`host::Kernel::say`](crate::host::Kernel::say)).

#[cfg(target_os = "none")]
pub use defmt;

#[cfg(not(target_os = "none"))]
#[doc(hidden)]
pub use crate::host::words::{ByDebug, ByDisplay, Level, Show, say};

macro_rules! level {
    ($dollar:tt $name:ident $level:ident $upper:ident $doc:literal) => {
        #[doc = $doc]
        #[cfg(target_os = "none")]
        #[macro_export]
        macro_rules! $name {
                                    ($dollar($dollar argument:tt)*) => {{
                                        #[allow(unused_imports, reason = "a level that is compiled out uses nothing")]
                                        use $crate::log::defmt;
                                        defmt::$level!($dollar($dollar argument)*)
                                    }};
                                }

        #[doc = $doc]
        #[cfg(not(target_os = "none"))]
        #[macro_export]
        macro_rules! $name {
                                    ($dollar format:literal $dollar(, $dollar argument:expr)* $dollar(,)?) => {
                                        {
                                            #[allow(unused_imports, reason = "who logs no arguments shows none")]
                                            use $crate::log::{ByDebug as _, ByDisplay as _};
                                            $crate::log::say($crate::log::Level::$upper, $dollar format, &[
                                                $dollar((&$crate::log::Show(&$dollar argument)).text()),*
                                            ])
                                        }
                                    };
                                }
        pub use $name as $level;
    };
}

level!($ log_error error Error "Something is wrong and will not mend itself.");
level!($ log_warn warn Warn "Something is wrong; it is dealt with.");
level!($ log_info info Info "What someone who watches wants to know.");
level!($ log_debug debug Debug "What someone who searches wants to know.");
level!($ log_trace trace Trace "Everything.");
