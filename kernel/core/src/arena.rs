//! The vault: all kernel objects, reached by typed handles through one token.
//!
//! A [`Handle`] is the physical address of a live object of its type. The kernel maps the RAM that it
//! manages at one offset (its *window*), so an object's place in the kernel's address space is `base +
//! address`; on the target the window is the identity, and `base` a constant 0.
//!
//! Invariants that the unsafe blocks here lean on:
//!
//! - **W (window)**: every address below 2^32 that belongs to managed RAM is mapped, readable and writable, at
//!   `base + address` for the arena's whole life. Whoever makes an [`Arena`] promises it.
//! - **L (live)**: a `Handle<T>` exists only from [`Arena::place`] until the memory is given back by a reset
//!   of its untyped, before which every capability, link and register that held it has been cleared. `retype` hands
//!   out each byte once between two resets, so two live objects never overlap.
//! - **T (token)**: references are made through `&Arena` or `&mut Arena` only, so Rust's own rules
//!   keep them from aliasing. There is one arena; the kernel's lock guards it.
//! - **Z (zero)**: each [`Object`] type is valid when all of its bytes are zero.

#![allow(unsafe_code, reason = "the kernel core's only vault")]

use core::marker::PhantomData;
use core::num::NonZeroU32;

/// A typed reference to a kernel object: its physical address. `Option<Handle<T>>` is one word.
#[repr(transparent)]
pub struct Handle<T> {
    address: NonZeroU32,
    object: PhantomData<fn() -> T>,
}

impl<T> Clone for Handle<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Handle<T> {}
impl<T> PartialEq for Handle<T> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}
impl<T> Eq for Handle<T> {}
impl<T> core::hash::Hash for Handle<T> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.address.hash(state);
    }
}
impl<T> core::fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "@{:#x}", self.address)
    }
}

impl<T> Handle<T> {
    /// The object at an address that was a handle's.
    ///
    /// # Safety
    /// L: a live object of that type is there; the address is not 0.
    #[inline(always)]
    pub const unsafe fn live(address: u32) -> Self {
        // SAFETY: the caller's promise.
        Self { address: unsafe { NonZeroU32::new_unchecked(address) }, object: PhantomData }
    }

    /// The object's physical address.
    #[inline(always)]
    pub const fn address(self) -> u32 {
        self.address.get()
    }
}

/// A type that may live in the arena.
///
/// # Safety
/// All-zero bytes must be a valid value, and the type must hold no pointer, reference or `usize`, so that
/// its layout is the same on the host and on the target.
pub unsafe trait Object: Sized {}

/// Declares that types are plain data: invariant Z.
macro_rules! plain {
    ($($type:ty),*) => {$(
        #[allow(unsafe_code, reason = "declares plain data; the argument stands in arena.rs")]
        // SAFETY: Z: integers, arrays of them, field-less or zero-tagged enums whose first variant is 0, and
        // `Option<Handle>`, whose zero is `None`; no pointer and no usize inside.
        unsafe impl $crate::arena::Object for $type {}
    )*};
}

/// The token: who holds it may touch kernel objects.
pub struct Arena {
    base: usize,
    /// Lines of frames that were written since the simulated machine last asked, and what they held before.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) written: std::vec::Vec<(u32, [u32; 16])>,
}

impl Arena {
    /// A token for the window at `base`.
    ///
    /// # Safety
    /// Invariant W must hold for all addresses that are ever given to [`Arena::place`] and the word
    /// functions, and there may be only one arena for that memory. On the target `base` must be 0.
    pub const unsafe fn new(base: usize) -> Self {
        Self {
            base,
            #[cfg(any(test, feature = "sim"))]
            written: std::vec::Vec::new(),
        }
    }

    #[inline(always)]
    fn pointer<T>(&self, address: u32) -> *mut T {
        // On the target the window is the identity: an address costs nothing.
        let base = if cfg!(target_os = "none") { 0 } else { self.base };
        base.wrapping_add(address as usize) as *mut T
    }

    /// The object.
    #[inline(always)]
    pub fn get<T: Object>(&self, handle: Handle<T>) -> &T {
        // SAFETY: L: the handle names a live T; W: it is mapped; T: `&self` keeps writers out.
        unsafe { &*self.pointer(handle.address()) }
    }

    /// The object, to be changed.
    #[inline(always)]
    pub fn get_mut<T: Object>(&mut self, handle: Handle<T>) -> &mut T {
        // SAFETY: L, W as in `get`; T: `&mut self` is the only reference in use.
        unsafe { &mut *self.pointer(handle.address()) }
    }

    /// Two different objects at once.
    ///
    /// # Panics
    /// If both handles name the same place.
    #[inline(always)]
    pub fn pair_mut<A: Object, B: Object>(&mut self, a: Handle<A>, b: Handle<B>) -> (&mut A, &mut B) {
        assert!(a.address() != b.address());
        // SAFETY: L: two live objects at different addresses do not overlap; W, T as in `get_mut`.
        unsafe { (&mut *self.pointer(a.address()), &mut *self.pointer(b.address())) }
    }

    /// Makes an object of zeroed memory that `retype` has just handed out, or that boot reserved.
    /// The memory must be zero already: this mints the handle and nothing else.
    #[inline(always)]
    pub(crate) fn place<T: Object>(&mut self, address: u32) -> Handle<T> {
        debug_assert!((address as usize).is_multiple_of(core::mem::align_of::<T>()));
        match NonZeroU32::new(address) {
            Some(address) => Handle { address, object: PhantomData },
            None => panic!("object at 0"),
        }
    }

    /// The `index`-th of a row of equal objects, whose first is `first`. The caller has checked `index`
    /// against the row's length.
    #[inline(always)]
    pub(crate) fn nth<T: Object>(&self, first: Handle<T>, index: u32) -> Handle<T> {
        let address = first.address().wrapping_add(index.wrapping_mul(core::mem::size_of::<T>() as u32));
        debug_assert!(address >= first.address());
        // SAFETY: L: the row is one live object, which does not wrap around the end of the address space.
        Handle { address: unsafe { NonZeroU32::new_unchecked(address) }, object: PhantomData }
    }

    /// The part of an object that lies `offset` bytes into it (`offset_of!` of a field of type `P`).
    #[inline(always)]
    pub(crate) fn part<T, P: Object>(&self, whole: Handle<T>, offset: usize) -> Handle<P> {
        let address = whole.address().wrapping_add(offset as u32);
        debug_assert!(address >= whole.address());
        // SAFETY: L: as in `nth`.
        Handle { address: unsafe { NonZeroU32::new_unchecked(address) }, object: PhantomData }
    }

    /// A word of a frame that user mode may be writing at the same time.
    #[inline(always)]
    pub fn read_word(&self, address: u32) -> u32 {
        // SAFETY: W: callers pass addresses inside frames of managed RAM, aligned; a volatile read of plain memory
        // has no invalid value, and frames never hold objects.
        unsafe { self.pointer::<u32>(address).read_volatile() }
    }

    /// Keeps for the simulated machine what a line held before it is written.
    #[cfg(any(test, feature = "sim"))]
    fn keep_line(&mut self, address: u32) {
        let line = address & !63;
        if !self.written.iter().any(|&(kept, _)| kept == line) {
            let old = core::array::from_fn(|word| self.read_word(line + 4 * word as u32));
            self.written.push((line, old));
        }
    }

    /// Whether memory in which no object lives is zero; `address` and `bytes` are multiples of 8.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn is_zero(&self, address: u32, bytes: u32) -> bool {
        // SAFETY: W; L: nothing lives there, so nobody has a reference that writes to it.
        let words = unsafe { core::slice::from_raw_parts(self.pointer::<u64>(address), bytes as usize / 8) };
        words.iter().fold(0, |all, word| all | word) == 0
    }

    /// Writes a word as hardware does, of which nothing is kept.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn write_word_unseen(&mut self, address: u32, value: u32) {
        // SAFETY: as in `write_word`.
        unsafe { self.pointer::<u32>(address).write_volatile(value) }
    }

    /// Writes a word of a frame.
    #[inline(always)]
    pub fn write_word(&mut self, address: u32, value: u32) {
        #[cfg(any(test, feature = "sim"))]
        self.keep_line(address);
        // SAFETY: as in `read_word`; a frame is no object, so no reference to it exists.
        unsafe { self.pointer::<u32>(address).write_volatile(value) }
    }

    /// Writes zeroes to memory that holds no live object: part of an untyped that is reset, or new.
    pub fn zero(&mut self, address: u32, bytes: u32) {
        // SAFETY: W; L: nothing lives there, so no reference to it exists.
        unsafe { core::ptr::write_bytes(self.pointer::<u8>(address), 0, bytes as usize) }
    }

    /// Copies between two places that hold no live object and do not overlap (boot copies root's segments so).
    pub fn copy(&mut self, from: u32, to: u32, bytes: u32) {
        assert!(from.abs_diff(to) >= bytes);
        #[cfg(any(test, feature = "sim"))]
        for line in (to..to + bytes).step_by(64) {
            self.keep_line(line);
        }
        // SAFETY: W; L: nothing lives there; they do not overlap, as has just been checked.
        unsafe { core::ptr::copy_nonoverlapping(self.pointer::<u8>(from), self.pointer::<u8>(to), bytes as usize) }
    }
}
