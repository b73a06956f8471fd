//! Opens the kernel files once, reads them again in place, and makes reports of them.
