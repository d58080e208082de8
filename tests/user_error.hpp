// What a user sees: the message of the UserError that a call throws.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"

namespace moesaic {

/// Runs `call`, which must throw UserError with one clear line; returns that line.
template <class Call>
std::string user_error(Call&& call) {
  try {
    static_cast<void>(call());
  } catch (const UserError& error) {
    const std::string message = error.what();
    EXPECT_FALSE(message.empty());
    for (const char c : message) {
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) << "control character in: " << message;
    }
    return message;
  }
  ADD_FAILURE() << "no UserError";
  return "";
}

}  // namespace moesaic
