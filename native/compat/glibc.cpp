// Lets an addon that is built beside a new glibc run on an old one, down to 2.31 (Debian 11, Ubuntu 20.04).
//
// A symbol's newest version is bound at link time, and an older glibc does not have that one, though it has
// the function. Each function below stands in for one of glibc's inside the addon, the C++ runtime linked
// into it included, and calls the version that every glibc has. test/package/prebuilds.test.ts fails when
// another symbol needs an entry here.
#include <features.h>

#ifdef __GLIBC__

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#if defined(__x86_64__)
#define BASE_VERSION "GLIBC_2.2.5"
#define AFFINITY_VERSION "GLIBC_2.3.4"
#else
#define BASE_VERSION "GLIBC_2.17"
#define AFFINITY_VERSION "GLIBC_2.17"
#endif

extern "C" {

// --- Threads: in libpthread until glibc 2.34, which every JavaScript runtime has loaded -----------------

#define BIND(name, version) __asm__(".symver old_" #name ", " #name "@" version)

int old_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) noexcept;
BIND(pthread_create, BASE_VERSION);
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
    return old_pthread_create(thread, attributes, start, argument);
}

int old_pthread_join(pthread_t, void**);
BIND(pthread_join, BASE_VERSION);
int pthread_join(pthread_t thread, void** result) { return old_pthread_join(thread, result); }

int old_pthread_once(pthread_once_t*, void (*)());
BIND(pthread_once, BASE_VERSION);
int pthread_once(pthread_once_t* once, void (*routine)()) { return old_pthread_once(once, routine); }

int old___pthread_key_create(pthread_key_t*, void (*)(void*)) noexcept;
BIND(__pthread_key_create, BASE_VERSION);
int __pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) noexcept {
    return old___pthread_key_create(key, destructor);
}

int old_pthread_cond_clockwait(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
BIND(pthread_cond_clockwait, "GLIBC_2.30");
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* until) {
    return old_pthread_cond_clockwait(condition, mutex, clock, until);
}

int old_pthread_getaffinity_np(pthread_t, size_t, cpu_set_t*) noexcept;
BIND(pthread_getaffinity_np, AFFINITY_VERSION);
int pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t* set) noexcept {
    return old_pthread_getaffinity_np(thread, size, set);
}

int old_pthread_setaffinity_np(pthread_t, size_t, const cpu_set_t*) noexcept;
BIND(pthread_setaffinity_np, AFFINITY_VERSION);
int pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t* set) noexcept {
    return old_pthread_setaffinity_np(thread, size, set);
}

// A hint that lets reference counts do without atomic operations: never, since there are always threads.
char __libc_single_threaded = 0;

// --- Files: functions of glibc only since 2.33, before that in the program itself -----------------------

int stat(const char* path, struct stat* result) noexcept {
    return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, result, 0));
}

int fstat(int file, struct stat* result) noexcept {
    return static_cast<int>(syscall(SYS_fstat, file, result));
}

int fstat64(int file, struct stat64* result) noexcept {
    return static_cast<int>(syscall(SYS_fstat, file, result));
}

// --- Exceptions: GCC's unwinder asks for the object that an address lies in; since glibc 2.35 -----------

#ifdef DLFO_STRUCT_HAS_EH_DBASE

struct ObjectSearch {
    std::uintptr_t address;
    dl_find_object* result;
};

static int findObject(dl_phdr_info* object, size_t, void* data) {
    auto& search = *static_cast<ObjectSearch*>(data);
    const void* ehFrame = nullptr;
    bool contains = false;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr)& segment = object->dlpi_phdr[i];
        const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
        if (segment.p_type == PT_GNU_EH_FRAME) ehFrame = reinterpret_cast<const void*>(begin);
        if (segment.p_type != PT_LOAD || search.address < begin || search.address - begin >= segment.p_memsz)
            continue;
        contains = true;
        search.result->dlfo_map_start = reinterpret_cast<void*>(begin);
        search.result->dlfo_map_end = reinterpret_cast<void*>(begin + segment.p_memsz);
    }
    if (!contains || ehFrame == nullptr) return 0;
    search.result->dlfo_eh_frame = const_cast<void*>(ehFrame);
    return 1;
}

int _dl_find_object(void* address, dl_find_object* result) noexcept {
    *result = {};
    ObjectSearch search{reinterpret_cast<std::uintptr_t>(address), result};
    return dl_iterate_phdr(findObject, &search) == 1 ? 0 : -1;
}

#endif

}  // extern "C"

#endif
