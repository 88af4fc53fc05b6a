//! An allocator for pure functions and instances that serve one call: a bump pointer in a static arena.
//! The arena is part of the memory the instance starts with, so memory never grows; growing
//! costs page-table work on all cores. It frees the last block, and everything at once when nothing is in use any more,
//! as it is after a call that keeps nothing. What keeps something between calls should not use it.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;

/// The arena: `BYTES` of zeroed memory and how much of it is taken.
#[derive(Debug)]
pub struct Bump<const BYTES: usize> {
    arena: UnsafeCell<[u8; BYTES]>,
    taken: UnsafeCell<usize>,
    /// Blocks in use.
    live: UnsafeCell<usize>,
}

impl<const BYTES: usize> Bump<BYTES> {
    /// An empty arena.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "a static needs a const function"
    )]
    pub const fn new() -> Self {
        Self {
            arena: UnsafeCell::new([0; BYTES]),
            taken: UnsafeCell::new(0),
            live: UnsafeCell::new(0),
        }
    }
}

// SAFETY: a component has one thread, and the allocator is not reentrant. [`bump_allocator!`]
// installs it for wasm32 only.
#[expect(unsafe_code, reason = "an allocator hands out raw memory")]
unsafe impl<const BYTES: usize> Sync for Bump<BYTES> {}

// SAFETY: blocks lie inside the arena, are aligned, and do not overlap, for `taken` only falls when
// the last block is given back.
#[expect(unsafe_code, reason = "an allocator hands out raw memory")]
unsafe impl<const BYTES: usize> GlobalAlloc for Bump<BYTES> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.arena.get().cast::<u8>();
        // SAFETY: nobody else holds a reference to the counter.
        let taken = unsafe { &mut *self.taken.get() };
        let at = base as usize + *taken;
        let start = *taken + (at.next_multiple_of(layout.align()) - at);
        match start.checked_add(layout.size()) {
            Some(end) if end <= BYTES => {
                *taken = end;
                // SAFETY: as above.
                unsafe { *self.live.get() += 1 };
                // SAFETY: `start` is at most `end`, which lies inside the arena.
                unsafe { base.add(start) }
            }
            _ => std::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: nobody else holds a reference to the counter.
        let (taken, live) = unsafe { (&mut *self.taken.get(), &mut *self.live.get()) };
        *live -= 1;
        let start = block as usize - self.arena.get() as usize;
        if *live == 0 {
            *taken = 0;
        } else if start + layout.size() == *taken {
            *taken = start;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: nobody else holds a reference to the counter.
        let taken = unsafe { &mut *self.taken.get() };
        let start = block as usize - self.arena.get() as usize;
        if start + layout.size() == *taken && size <= BYTES - start {
            *taken = start + size;
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller keeps the contract of `realloc`: `size` is a valid size for this align.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: the old block is given up for the new one.
            unsafe { *self.live.get() -= 1 };
            // SAFETY: the new block is at least as large as the old one and does not overlap it.
            unsafe { std::ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}

/// Installs a bump arena of so many bytes (1 MiB unless given) as the component's allocator.
#[macro_export]
macro_rules! bump_allocator {
    () => {
        $crate::bump_allocator!(1024 * 1024);
    };
    ($bytes:expr) => {
        #[cfg(target_arch = "wasm32")]
        #[global_allocator]
        static ALLOCATOR: $crate::alloc::Bump<{ $bytes }> = $crate::alloc::Bump::new();
    };
}

#[cfg(test)]
#[expect(unsafe_code, reason = "the allocator is called by hand")]
mod tests {
    use super::{Bump, GlobalAlloc, Layout};

    #[test]
    fn blocks_are_aligned_and_apart() {
        let bump = Bump::<256>::new();
        // SAFETY: the layouts are valid and the blocks are not touched.
        let (a, b) = unsafe {
            (
                bump.alloc(Layout::new::<u8>()),
                bump.alloc(Layout::new::<u64>()),
            )
        };
        assert_eq!(b as usize % align_of::<u64>(), 0);
        assert!(b as usize > a as usize);
    }

    #[test]
    fn a_full_arena_gives_nothing_until_the_last_block_is_back() {
        let bump = Bump::<64>::new();
        let layout = Layout::new::<[u8; 64]>();
        // SAFETY: the layout is valid; the block is given back once.
        unsafe {
            let block = bump.alloc(layout);
            assert!(!block.is_null() && bump.alloc(Layout::new::<u8>()).is_null());
            bump.dealloc(block, layout);
            assert_eq!(bump.alloc(layout), block);
        }
    }

    #[test]
    fn everything_is_free_again_once_nothing_is_in_use() {
        let bump = Bump::<64>::new();
        let (small, large) = (Layout::new::<u8>(), Layout::new::<[u8; 64]>());
        // SAFETY: the layouts are valid, each block is given back once and with its own.
        unsafe {
            let (a, b) = (bump.alloc(small), bump.alloc(small));
            let b = bump.realloc(b, small, 8);
            bump.dealloc(a, small);
            assert!(bump.alloc(large).is_null());
            bump.dealloc(b, Layout::new::<[u8; 8]>());
            assert!(!bump.alloc(large).is_null());
        }
    }

    #[test]
    fn the_last_block_grows_in_place_and_others_move() {
        let bump = Bump::<64>::new();
        let layout = Layout::new::<u8>();
        // SAFETY: the layouts are valid and each block is used with its own.
        unsafe {
            let a = bump.alloc(layout);
            a.write(7);
            assert_eq!(bump.realloc(a, layout, 4), a);
            bump.alloc(layout);
            let moved = bump.realloc(a, Layout::new::<[u8; 4]>(), 8);
            assert_ne!(moved, a);
            assert_eq!(moved.read(), 7);
            assert!(bump.realloc(moved, Layout::new::<[u8; 8]>(), 128).is_null());
        }
    }
}
