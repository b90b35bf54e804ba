#include <cmath>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Divides logits by the temperature: below 1 sharpens the distribution, above 1 flattens it.
class Temperature : public Sampler {
 public:
    explicit Temperature(double temperature) : temperature_(temperature) {}

    void apply(Candidates& candidates, const SamplingContext&) override { divide(candidates, temperature_); }

 protected:
    static void divide(Candidates& candidates, double temperature) {
        for (Candidate& c : candidates) {
            c.logit = static_cast<float>(static_cast<double>(c.logit) / temperature);
        }
    }

    double temperature_;
};

// Lets the distribution's entropy, as a part of the most that so many candidates can have, choose the
// temperature from the range around the given one: certain choices are sharpened, open ones flattened.
class DynamicTemperature final : public Temperature {
 public:
    DynamicTemperature(double temperature, double range, double exponent)
        : Temperature(temperature), range_(range), exponent_(exponent) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        const double least = std::max(0.0, temperature_ - range_), most = temperature_ + range_;
        const double chosen = least + (most - least) * std::pow(relative_entropy(candidates), exponent_);
        constexpr double tiny = 1e-6;  // nothing but the likeliest is left there
        divide(candidates, std::max(chosen, tiny));
    }

 private:
    double relative_entropy(const Candidates& candidates) {
        if (candidates.size() < 2) return 0.0;
        exponentials(candidates, e_);
        double entropy = 0.0;
        for (const double value : e_.values) {
            if (value > 0.0) entropy -= value / e_.sum * std::log(value / e_.sum);
        }
        return std::min(1.0, std::max(0.0, entropy) / std::log(static_cast<double>(candidates.size())));
    }

    double range_;
    double exponent_;
    Exponentials e_;
};

}  // namespace

std::unique_ptr<Sampler> make_temperature(const SamplingOptions& options) {
    const auto& [range, exponent] = options.dynamic_temperature;
    if (range > 0.0) return std::make_unique<DynamicTemperature>(options.temperature, range, exponent);
    if (options.temperature == 1.0) return nullptr;
    return std::make_unique<Temperature>(options.temperature);
}

}  // namespace ggml_transformers
