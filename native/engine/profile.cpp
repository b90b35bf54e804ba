#include "engine/profile.h"

#include <algorithm>
#include <utility>

namespace ggml_transformers {

Profile::Profile(std::string isa, bool fused, KernelPeak peak) {
    report_.isa = std::move(isa);
    report_.fused = fused;
    report_.peak = peak;
}

void Profile::operation(const char* name, double seconds, const Arithmetic& arithmetic) {
    add(name, seconds - std::exchange(in_parts_, 0.0), arithmetic);
}

void Profile::part(const char* name, double seconds) {
    in_parts_ += seconds;
    add(name, seconds, {});
}

void Profile::add(const char* name, double seconds, const Arithmetic& arithmetic) {
    const std::lock_guard lock(mutex_);
    auto& operations = report_.operations;
    auto found = std::find_if(operations.begin(), operations.end(),
                              [name](const ProfiledOperation& each) { return each.name == name; });
    if (found == operations.end()) {
        found = operations.insert(found, ProfiledOperation{});
        found->name = name;
    }
    ++found->count;
    found->seconds += seconds;
    found->arithmetic += arithmetic;
}

void Profile::begin() { lap_begin_ = Clock::now(); }

void Profile::lap() {
    const auto now = Clock::now();
    const std::lock_guard lock(mutex_);
    report_.seconds += std::chrono::duration<double>(now - std::exchange(lap_begin_, now)).count();
}

void Profile::batch() {
    lap();
    const std::lock_guard lock(mutex_);
    ++report_.batches;
}

ProfileReport Profile::report() const {
    const std::lock_guard lock(mutex_);
    return report_;
}

void Profile::reset() {
    const std::lock_guard lock(mutex_);
    report_.batches = 0;
    report_.seconds = 0.0;
    report_.operations.clear();
}

}  // namespace ggml_transformers
