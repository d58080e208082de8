#include "apps/study_runner.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cctype>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/cli.hpp"
#include "base/error.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string as_name(const std::string& key) {
  std::string name;
  for (const char c : key) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
}

void collect(const Json& json, const std::string& path, NamedValues& values) {
  const auto below = [&](const std::string& key) { return path.empty() ? as_name(key) : path + "." + as_name(key); };
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      collect(value, below(key), values);
    }
  } else if (json.is_array()) {
    for (std::size_t i = 0; i < json.size(); ++i) {
      collect(json[i], below(std::to_string(i)), values);
    }
  } else if (json.is_number()) {
    values[path] = json.get<double>();
  } else if (json.is_boolean()) {
    values[path] = json.get<bool>() ? 1 : 0;
  }
}

fs::path new_folder() {
  std::string pattern = (fs::temp_directory_path() / "moesaic-study-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw UserError(fmt::format("cannot make a folder in {} for the files that a study defines",
                                fs::temp_directory_path().string()));
  }
  return pattern;
}

}  // namespace

StudyCommands::StudyCommands(const std::vector<Study::Definition>& definitions) {
  if (definitions.empty()) {
    return;
  }
  folder_ = new_folder();
  for (const Study::Definition& definition : definitions) {
    const fs::path file = folder_ / (definition.name + ".json");
    std::ofstream out(file);
    out << definition.content.dump() << '\n';
    out.close();
    if (!out) {
      throw UserError(fmt::format("cannot write {}", file.string()));
    }
    defined_[definition.name] = file.string();
  }
}

StudyCommands::~StudyCommands() {
  if (!folder_.empty()) {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
}

std::string StudyCommands::in_words_of_the_study(std::string message) const {
  for (const auto& [name, file] : defined_) {
    for (std::size_t at = message.find(file); at != std::string::npos; at = message.find(file)) {
      message.replace(at, file.size(), "define '" + name + "'");
    }
  }
  return message;
}

NamedValues StudyCommands::run(const StudyRun& run) {
  if (run.command == "reproduce") {
    run.origin.fail("a study cannot run studies");
  }
  std::vector<std::string> arguments{run.command};
  for (const auto& [option, value] : run.options) {
    arguments.push_back("--" + option);
    if (!value.empty()) {
      const auto defined = defined_.find(value);
      arguments.push_back(defined == defined_.end() ? value : defined->second);
    }
  }
  arguments.insert(arguments.end(), {"--format", "json"});
  const auto known = known_.find(arguments);
  if (known != known_.end()) {
    return known->second;
  }
  std::ostringstream out, err;
  if (run_cli(arguments, out, err, false) != 0) {
    std::string message = err.str();
    constexpr std::string_view kProgram = "moesaic: ";
    if (message.starts_with(kProgram)) {
      message.erase(0, kProgram.size());
    }
    while (message.ends_with('\n')) {
      message.pop_back();
    }
    run.origin.fail(fmt::format("moesaic {}: {}", run.command, in_words_of_the_study(message)));
  }
  NamedValues values;
  const Json json = Json::parse(out.str(), nullptr, false);
  if (json.is_discarded()) {
    run.origin.fail(fmt::format("moesaic {} prints no JSON", run.command));
  }
  collect(json, "", values);
  const auto complete = values.find("complete");
  if (complete != values.end() && complete->second == 0) {
    run.origin.fail(fmt::format("moesaic {}: stopped before its end", run.command));
  }
  return known_[arguments] = values;
}

}  // namespace moesaic
