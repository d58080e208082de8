#include "sim/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.hpp"

namespace moesaic {
namespace {

class File {
 public:
  explicit File(int descriptor = -1) : descriptor_(descriptor) {}
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }
  void close() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
    descriptor_ = -1;
  }

 private:
  int descriptor_;
};

[[noreturn]] void refuse(const std::filesystem::path& program, std::string_view why) {
  throw UserError(fmt::format("{}: {}", printable(program.string(), 400), why));
}

/// A descriptor above the standard ones, so that giving it to the child under their numbers overwrites none.
int above_standard(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); }

pid_t start(const std::filesystem::path& program, int input_and_output, int errors) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input_and_output, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, input_and_output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  std::string name = program.string();
  char* arguments[] = {name.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, name.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    refuse(program, fmt::format("cannot be started: {}", std::strerror(error)));
  }
  return child;
}

/// Until all is sent or the other side has gone; what became of it says how it ended.
void send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      break;
    }
    text.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
  }
  shutdown(socket, SHUT_WR);
}

std::string receive_all(int socket) {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t received = recv(socket, buffer, sizeof buffer, 0);
    if (received > 0) {
      text.append(buffer, static_cast<std::size_t>(received));
    } else if (received == 0 || errno != EINTR) {
      return text;
    }
  }
}

std::string last_line(int file) {
  char buffer[1024];
  const off_t size = lseek(file, 0, SEEK_END);
  const off_t from = size > static_cast<off_t>(sizeof buffer) ? size - static_cast<off_t>(sizeof buffer) : 0;
  const ssize_t count = pread(file, buffer, sizeof buffer, from);
  std::string_view text(buffer, count > 0 ? static_cast<std::size_t>(count) : 0);
  while (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  text.remove_prefix(text.rfind('\n') + 1);
  return text.empty() ? "" : ": " + printable(text, 400);
}

}  // namespace

std::string answer_of(const std::filesystem::path& program, std::string_view input) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    refuse(program, fmt::format("cannot be started: {}", std::strerror(errno)));
  }
  const File ours(ends[0]);
  File theirs(ends[1]);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> errors(std::tmpfile(), &std::fclose);
  if (!errors) {
    refuse(program, fmt::format("no temporary file for its messages: {}", std::strerror(errno)));
  }
  File child_socket(above_standard(theirs.get()));
  File child_errors(above_standard(fileno(errors.get())));
  const pid_t child = start(program, child_socket.get(), child_errors.get());
  theirs.close();
  child_socket.close();

  send_all(ours.get(), input);  // it reads all before it writes, so that neither waits for the other
  std::string answer = receive_all(ours.get());
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      refuse(program, fmt::format("was lost: {}", std::strerror(errno)));
    }
  }
  if (WIFSIGNALED(status)) {
    refuse(program, fmt::format("was ended by signal {} ({}){}", WTERMSIG(status), strsignal(WTERMSIG(status)),
                                last_line(fileno(errors.get()))));
  }
  if (WEXITSTATUS(status) != 0) {
    refuse(program, fmt::format("failed with exit code {}{}", WEXITSTATUS(status), last_line(fileno(errors.get()))));
  }
  return answer;
}

}  // namespace moesaic
