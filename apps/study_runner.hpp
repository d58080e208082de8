// Runs the commands of a study in this process and reads the numbers of their JSON.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "reports/reproduction.hpp"

namespace moesaic {

/// Holds the files that a study defines while its commands run. A run that was asked for before is not run again.
class StudyCommands {
 public:
  /// Writes the study's definitions to a folder of its own. Throws UserError where that is not possible.
  explicit StudyCommands(const std::vector<Study::Definition>& definitions);
  explicit StudyCommands(const Study& study) : StudyCommands(study.definitions) {}
  ~StudyCommands();
  StudyCommands(const StudyCommands&) = delete;
  StudyCommands& operator=(const StudyCommands&) = delete;

  /// Throws UserError: the command's own message behind the place in the study.
  NamedValues run(const StudyRun& run);

 private:
  /// A command's message with the study's own files by their names in it.
  std::string in_words_of_the_study(std::string message) const;

  std::filesystem::path folder_;
  std::map<std::string, std::string> defined_;  ///< name to file
  std::map<std::vector<std::string>, NamedValues> known_;
};

}  // namespace moesaic
