//! Networks on dfdx, the only folder that names it: operations with their gradients, layers, optimisers, losses, checkpoints.
//! Knows no stage, no file of the user and no astronomy.
