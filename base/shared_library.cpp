#include "base/shared_library.hpp"

#include <dlfcn.h>

namespace moesaic {

// Never unloaded: its threads may still be running its code.
SharedLibrary::SharedLibrary(const char* name)
    : handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), [](void* handle) {
        if (handle != nullptr) {
          dlclose(handle);
        }
      }) {}

void* SharedLibrary::symbol(const char* name) const { return handle_ ? dlsym(handle_.get(), name) : nullptr; }

}  // namespace moesaic
