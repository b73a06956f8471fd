/* Stands in for functions of libraries that come with Rust's library and are of no use here (20 KB of
 * ARMv6's). Linked first, so that the linker takes none of libunwind, nor printf. What is missing in this
 * list shows when linking: as a symbol that is there twice. */

#include <sys/prctl.h>

/* A panic aborts: nothing unwinds. A backtrace would have no names to tell, and Rust's library prints none
 * where it is built without the feature of that name. */
#define NOTHING(name) void name(void) {}
NOTHING(_Unwind_Backtrace)
NOTHING(_Unwind_GetDataRelBase)
NOTHING(_Unwind_GetLanguageSpecificData)
NOTHING(_Unwind_GetRegionStart)
NOTHING(_Unwind_GetTextRelBase)
#ifdef __arm__ /* EHABI, and what musl's objects refer to */
NOTHING(_Unwind_VRS_Get)
NOTHING(_Unwind_VRS_Set)
NOTHING(__aeabi_unwind_cpp_pr0)
NOTHING(__aeabi_unwind_cpp_pr1)
NOTHING(__aeabi_unwind_cpp_pr2)
NOTHING(__gnu_unwind_frame)
#else
NOTHING(_Unwind_GetIP)
NOTHING(_Unwind_GetIPInfo)
NOTHING(_Unwind_SetGR)
NOTHING(_Unwind_SetIP)
#endif

/* Rust's library names its own thread only. musl's can name others, by a path that it makes with snprintf. */
int pthread_setname_np(void *self, const char *name)
{
    (void)self;
    return prctl(PR_SET_NAME, name);
}
