// A library that is loaded only when it is used. A prediction should not wait for a linear algebra library to start its
// threads, and the program should run where it is absent.
#pragma once

#include <memory>

namespace moesaic {

class SharedLibrary {
 public:
  /// Not loaded if there is none of this name.
  explicit SharedLibrary(const char* name);
  explicit operator bool() const { return handle_ != nullptr; }

  /// Finds a function of the library, or of one that it needs, into a pointer of the type its header declares. False:
  /// there is none.
  template <class Function>
  bool find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(symbol(name));
    return function != nullptr;
  }

 private:
  void* symbol(const char* name) const;
  std::shared_ptr<void> handle_;
};

}  // namespace moesaic
