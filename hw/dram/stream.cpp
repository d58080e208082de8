#include "hw/dram/stream.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.hpp"
#include "hw/dram/banks.hpp"

namespace moesaic {
namespace {

/// Where a bundle stands in its part of the stream.
struct Cursor {
  std::int64_t stripe = 0;
  std::int64_t round = 0;   ///< accesses done in the stripe
  std::int64_t rounds = 0;  ///< of the stripe
  std::int64_t access = 0;  ///< number of its next access in the whole stream, oldest first
};

constexpr std::int64_t kDone = std::numeric_limits<std::int64_t>::max();

class Controller {
 public:
  Controller(const Dram& dram, const AccessPath& path, StreamKind kind, std::int64_t rounds,
             std::vector<SentCommand>* sent)
      : banks_(dram, path),
        dram_(dram),
        path_(path),
        kind_(kind),
        rounds_(rounds),
        sent_(sent),
        due_(static_cast<std::size_t>(dram.ranks), dram.timing.nREFI / 2),
        cursors_(static_cast<std::size_t>(path.interleave * path.turns)) {
    for (std::size_t bundle = 0; bundle < cursors_.size(); ++bundle) {
      cursors_[bundle].stripe = static_cast<std::int64_t>(bundle) / path.interleave;
      begin_stripe(bundle);
    }
  }

  /// Sends commands until nothing is left. Returns the end of the last data.
  Cycle run() {
    for (Command next = first_command(); next.at < kDone; next = first_command()) {
      if (!refreshed_before(next.at)) {
        send(next);
      }
    }
    return banks_.last_data();
  }

  const DramCommands& commands() const { return commands_; }

 private:
  using Name = SentCommand::Name;
  struct Command {
    Cycle at = kDone;
    Name name = Name::read;
    std::int64_t access = kDone;
    int bundle = 0;
    bool moves() const { return name == Name::read || name == Name::write; }
    bool before(const Command& other) const {
      if (at != other.at) {
        return at < other.at;
      }
      return moves() != other.moves() ? moves() : access < other.access;
    }
  };

  std::int64_t row(const Cursor& cursor) const { return cursor.stripe / path_.turns; }

  bool writes(const Cursor& cursor) const {
    return kind_ == StreamKind::write || (kind_ == StreamKind::update && 2 * cursor.round >= cursor.rounds);
  }

  void begin_stripe(std::size_t bundle) {
    Cursor& cursor = cursors_[bundle];
    const std::int64_t before = cursor.stripe * dram_.columns();
    const int times = kind_ == StreamKind::update ? 2 : 1;
    cursor.round = 0;
    cursor.rounds = times * std::clamp<std::int64_t>(rounds_ - before, 0, dram_.columns());
    cursor.access = cursor.rounds == 0
                        ? kDone
                        : times * before * path_.interleave + static_cast<std::int64_t>(bundle) % path_.interleave;
  }

  Command next_of(int bundle) const {
    const Cursor& cursor = cursors_[static_cast<std::size_t>(bundle)];
    const std::int64_t open = banks_.open_row(bundle);
    Command command{0, Name::read, cursor.access, bundle};
    if (open < 0) {
      command.name = Name::activate;
      command.at = banks_.may_activate(bundle);
    } else if (open != row(cursor)) {
      command.name = Name::precharge;
      command.at = banks_.may_precharge(bundle);
    } else if (writes(cursor)) {
      command.name = Name::write;
      command.at = banks_.may_write(bundle);
    } else {
      command.at = banks_.may_read(bundle);
    }
    return command;
  }

  Command first_command() const {
    std::int64_t oldest = kDone;
    for (const Cursor& cursor : cursors_) {
      oldest = std::min(oldest, cursor.access);
    }
    Command first;
    for (std::size_t bundle = 0; bundle < cursors_.size() && oldest < kDone; ++bundle) {
      if (cursors_[bundle].access < oldest + dram_.queue) {
        const Command command = next_of(static_cast<int>(bundle));
        first = command.before(first) ? command : first;
      }
    }
    return first;
  }

  /// Refreshes the ranks for which it is time before a command of that cycle.
  bool refreshed_before(Cycle at) {
    bool any = false;
    for (std::size_t rank = 0; rank < due_.size(); ++rank) {
      if (due_[rank] <= at) {
        const Banks::Refresh refresh = banks_.refresh(static_cast<int>(rank), due_[rank]);
        if (refresh.closed > 0) {
          note({refresh.close, Name::precharge, static_cast<int>(rank)});
        }
        note({refresh.at, Name::refresh, static_cast<int>(rank)});
        commands_.precharge += refresh.closed;
        ++commands_.refresh;
        due_[rank] += dram_.timing.nREFI;
        any = true;
      }
    }
    return any;
  }

  void note(const SentCommand& command) {
    if (sent_ != nullptr) {
      sent_->push_back(command);
    }
  }

  void send(const Command& command) {
    Cursor& cursor = cursors_[static_cast<std::size_t>(command.bundle)];
    note({command.at, command.name, banks_.rank(command.bundle), command.bundle, row(cursor)});
    switch (command.name) {
      case Name::activate:
        banks_.activate(command.bundle, row(cursor), command.at);
        ++commands_.activate;
        return;
      case Name::precharge:
        banks_.precharge(command.bundle, command.at);
        ++commands_.precharge;
        return;
      case Name::read:
        banks_.read(command.bundle, command.at);
        ++commands_.read;
        break;
      case Name::write:
        banks_.write(command.bundle, command.at);
        ++commands_.write;
        break;
      case Name::refresh:
        MOESAIC_ASSERT(false);
    }
    cursor.access += path_.interleave;
    if (++cursor.round == cursor.rounds) {
      cursor.stripe += path_.turns;
      begin_stripe(static_cast<std::size_t>(command.bundle));
    }
  }

  Banks banks_;
  const Dram& dram_;
  const AccessPath& path_;
  StreamKind kind_;
  std::int64_t rounds_;
  std::vector<SentCommand>* sent_;
  std::vector<Cycle> due_;
  std::vector<Cursor> cursors_;
  DramCommands commands_;
};

}  // namespace

Joules StreamResult::total_energy() const { return std::accumulate(energy.begin(), energy.end(), Joules{}); }

StreamResult simulate_stream(const Dram& dram, const AccessPath& path, Bytes bytes, StreamKind kind,
                             std::vector<SentCommand>* sent) {
  MOESAIC_ASSERT(bytes.value > 0);
  MOESAIC_ASSERT(path.interleave * path.turns <= bundles(path, dram));
  const double round = static_cast<double>(dram.access * path.banks * path.interleave) * dram.channels();
  Controller controller(dram, path, kind, static_cast<std::int64_t>(std::ceil(bytes.value / round)), sent);
  StreamResult result;
  result.time = dram.clock_period * static_cast<double>(controller.run());
  result.commands = controller.commands();
  result.moved = bytes * (kind == StreamKind::update ? 2.0 : 1.0);
  for (const DramStep step : path.steps) {
    const auto index = static_cast<std::size_t>(step);
    result.energy[index] = result.moved * dram.energy[index];
  }
  const Bytes opened{static_cast<double>(result.commands.activate * path.banks * dram.row) * dram.channels()};
  result.energy[static_cast<std::size_t>(DramStep::activate)] =
      opened * dram.energy[static_cast<std::size_t>(DramStep::activate)];
  return result;
}

}  // namespace moesaic
