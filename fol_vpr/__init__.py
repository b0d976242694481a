"""Visual place recognition with FoL ("Focus on Local", AAAI 2025) for robots.

Importing this package loads neither torch nor rclpy; its parts load what they need.
"""

__version__ = '0.1.0'
