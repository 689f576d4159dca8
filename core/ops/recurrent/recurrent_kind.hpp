// The kinds of recurrent networks.
#pragma once

namespace normgrad {

/// tanh and relu are the plain network with that activation.
enum class RecurrentKind { lstm, gru, tanh, relu };

}  // namespace normgrad
