#include <optional>
#include <string>

#include "engine/drafter.h"
#include "engine/engine.h"

namespace ggml_transformers {

namespace {

class ModelDrafter final : public Drafter {
 public:
    ModelDrafter(const std::shared_ptr<Engine>& draft, const std::shared_ptr<Engine>& target)
        : draft_(draft),
          target_(target),
          session_(draft->create_session()),
          context_(draft->size().context) {}
    ~ModelDrafter() override {
        if (ready()) return;
        cancel_.cancel();
        if (const auto draft = draft_.lock()) draft->wake();
    }

    void start(const std::vector<int32_t>& tokens, int64_t most) override {
        guess_ = std::make_shared<Guess>();
        if (static_cast<int64_t>(tokens.size()) >= context_) {  // the target's may be longer
            guess_->outcome = GenerateResult{};
            guess_->ready = true;
            return;
        }
        const auto draft = draft_.lock();
        if (!draft) throw disposed();
        GenerateRequest request;
        request.ids = tokens;
        request.max_tokens = most;
        request.session = session_;
        cancel_ = draft->generate(
            std::move(request),
            Completion<GenerateResult>([guess = guess_, target = target_](Outcome<GenerateResult> outcome) {
                guess->outcome = std::move(outcome);
                guess->ready.store(true, std::memory_order_release);
                if (const auto alive = target.lock()) alive->wake();
            }));
    }
    bool ready() const override { return !guess_ || guess_->ready.load(std::memory_order_acquire); }
    void append_to(std::vector<int32_t>& tokens) override {
        if (const auto* error = std::get_if<Error>(&*guess_->outcome)) throw *error;
        const auto& guess = std::get<GenerateResult>(*guess_->outcome).tokens;
        tokens.insert(tokens.end(), guess.begin(), guess.end());
    }

 private:
    // Written by the draft's thread before `ready`.
    struct Guess {
        std::optional<Outcome<GenerateResult>> outcome;
        std::atomic<bool> ready{false};
    };

    // Weakly: both are disposed by their owners, and the last holder would join their threads.
    std::weak_ptr<Engine> draft_;
    std::weak_ptr<Engine> target_;
    std::shared_ptr<DecodeSession> session_;
    int64_t context_;
    std::shared_ptr<Guess> guess_;  // null before the first
    CancelToken cancel_;
};

}  // namespace

std::unique_ptr<Drafter> make_model_drafter(const std::shared_ptr<Engine>& draft,
                                            const std::shared_ptr<Engine>& target) {
    auto drafter = std::make_unique<ModelDrafter>(draft, target);
    const int64_t guesses = draft->size().vocabulary, vocabulary = target->size().vocabulary;
    if (draft != target && guesses == vocabulary) return drafter;
    throw Error(ErrorCode::InvalidArgument, draft == target
                                                ? "Expected another model to guess"
                                                : "Expected a draft model with a vocabulary of " +
                                                      std::to_string(vocabulary) + " tokens but it has " +
                                                      std::to_string(guesses))
        .with("name", "speculation");
}

}  // namespace ggml_transformers
