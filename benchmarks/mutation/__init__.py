"""Mutation run: which small mistakes in the kinematics, the regression and the solvers the tests would let pass.

No library fits. mutmut (3.8.1) leaves out every function with a decorator, and so all compiled code. cosmic-ray (8.7.0)
makes 8453 mutants of the three folders, 2602 of them with bitwise operators on floating-point numbers, no removed
statements and no swapped arguments, and starts an interpreter for each, which takes longer here than most of the tests:
importing Numba, SciPy and pytest. Here each mutant is a fork of a process that has imported those.
"""
